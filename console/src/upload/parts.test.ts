import { beforeEach, describe, expect, test, vi } from "vitest";

import { sendParts, type PartLinks, type PartTransfer } from "./parts";
import { SendError } from "./send";

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
const links = (parts: number, round = 0, expiresAt = inAnHour()): PartLinks => ({
  partSize: 10,
  urls: Array.from({ length: parts }, (_, n) => `${n}@${round}`),
  expiresAt,
});

/** A bucket that notes what it is sent, and answers as it is told to. */
function bucket(answer: (part: number, round: number, attempt: number) => SendError | undefined = () => undefined) {
  const got = new Map<number, [from: number, to: number]>();
  const attempts = new Map<number, number>();
  let now = 0;
  const b = {
    got,
    attempts,
    most: 0,
    put: async (url: string, from: number, to: number, onSent: (bytes: number) => void, signal: AbortSignal) => {
      const [part, round] = url.split("@").map(Number) as [number, number];
      const attempt = (attempts.get(part) ?? 0) + 1;
      attempts.set(part, attempt);
      b.most = Math.max(b.most, ++now);
      try {
        onSent((to - from) / 2);
        await Promise.resolve();
        signal.throwIfAborted();
        const error = answer(part, round, attempt);
        if (error !== undefined) throw error;
        onSent(to - from);
        got.set(part, [from, to]);
      } finally {
        now--;
      }
    },
  };
  return b;
}

let round = 0;
beforeEach(() => (round = 0));

function transfer(parts: number, b: ReturnType<typeof bucket>, change: Partial<PartTransfer> = {}) {
  const told: number[] = [];
  const arrived: number[] = [];
  const waits: number[] = [];
  const renew = vi.fn(async () => links(parts, ++round));
  const t: PartTransfer = {
    size: parts * 10 - 3,
    links: links(parts),
    done: new Set(),
    put: b.put,
    renew,
    wait: async (ms) => void waits.push(ms),
    onPart: (part) => arrived.push(part),
    onSent: (bytes) => told.push(bytes),
    signal: new AbortController().signal,
    ...change,
  };
  return { t, told, arrived, waits, renew };
}

describe("what is sent", () => {
  test("every byte once, three parts at a time, the last one shorter", async () => {
    const b = bucket();
    const { t, told, arrived } = transfer(7, b);
    await sendParts(t);
    expect([...b.got.entries()].sort(([x], [y]) => x - y)).toEqual(
      [0, 1, 2, 3, 4, 5, 6].map((n) => [n, [n * 10, Math.min(67, n * 10 + 10)]]),
    );
    expect([...b.attempts.values()]).toEqual([1, 1, 1, 1, 1, 1, 1]);
    expect(b.most).toBe(3);
    expect(arrived.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(told.at(-1)).toBe(67);
  });

  test("only what is missing, and it counts from there", async () => {
    const b = bucket();
    const { t, told } = transfer(4, b, { done: new Set([0, 3]) });
    await sendParts(t);
    expect([...b.got.keys()].sort()).toEqual([1, 2]);
    expect(told[0]).toBe(17);
    expect(told.at(-1)).toBe(37);
  });

  test("nothing, where all has arrived", async () => {
    const b = bucket();
    await sendParts(transfer(2, b, { done: new Set([0, 1]) }).t);
    expect(b.attempts.size).toBe(0);
  });
});

describe("what goes wrong on the way", () => {
  test("a broken connection is tried again after a while that grows, and the part is sent whole", async () => {
    const b = bucket((part, _, attempt) => (part === 1 && attempt < 3 ? new SendError(0) : undefined));
    const { t, waits } = transfer(3, b);
    await sendParts(t);
    expect(b.got.get(1)).toEqual([10, 20]);
    expect(waits).toEqual([1_000, 2_000]);
  });

  test("one that stays broken ends the transfer, and the other parts stop", async () => {
    const b = bucket((part) => (part === 0 ? new SendError(503) : undefined));
    const { t } = transfer(3, b);
    await expect(sendParts(t)).rejects.toMatchObject({ status: 503 });
    expect(b.attempts.get(0)).toBe(7);
  });

  test("links that the bucket refuses are renewed once for all lanes", async () => {
    const b = bucket((_, r) => (r === 0 ? new SendError(403, "AccessDenied") : undefined));
    const { t, renew, waits } = transfer(6, b);
    await sendParts(t);
    expect(renew).toHaveBeenCalledTimes(1);
    expect(b.got.size).toBe(6);
    expect(waits).toEqual([]);
  });

  test("fresh links that are refused too end it", async () => {
    const b = bucket(() => new SendError(403));
    const { t } = transfer(1, b);
    await expect(sendParts(t)).rejects.toMatchObject({ status: 403 });
    expect(b.attempts.get(0)).toBe(3);
  });

  test("what the bucket says of the request itself is not tried again", async () => {
    const b = bucket(() => new SendError(404, "NoSuchUpload"));
    const { t } = transfer(1, b);
    await expect(sendParts(t)).rejects.toMatchObject({ status: 404 });
    expect(b.attempts.get(0)).toBe(1);
  });

  test("a cancel rejects with its reason, and nothing more is sent", async () => {
    const cancel = new AbortController();
    const b = bucket((part) => {
      if (part === 2) cancel.abort(new Error("cancelled"));
      return undefined;
    });
    const { t } = transfer(30, b, { signal: cancel.signal });
    await expect(sendParts(t)).rejects.toThrow("cancelled");
    expect(b.attempts.size).toBeLessThan(8);
  });
});

describe("links that end", () => {
  test("are renewed shortly before, without a refusal", async () => {
    vi.useFakeTimers();
    try {
      const b = bucket((_, r) => (r === 0 && Date.now() > start + 100_000 ? new SendError(403) : undefined));
      const start = Date.now();
      const { t, renew } = transfer(9, b, {
        links: links(9, 0, new Date(start + 120_000).toISOString()),
        onPart: () => vi.setSystemTime(Date.now() + 20_000),
      });
      await sendParts(t);
      expect(renew).toHaveBeenCalledTimes(1);
      expect([...b.attempts.values()]).toEqual(Array.from({ length: 9 }, () => 1));
    } finally {
      vi.useRealTimers();
    }
  });

  test("are not asked for again and again by a clock that is an hour fast", async () => {
    const b = bucket();
    const { t, renew } = transfer(20, b, { links: links(20, 0, new Date(Date.now() - 1).toISOString()) });
    await sendParts(t);
    expect(renew).not.toHaveBeenCalled();
  });
});
