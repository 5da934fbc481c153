import { useCallback, useSyncExternalStore } from "react";

import { answer, api, type Schemas } from "../api/client";
import { asProblem, Problem } from "../api/problem";
import { announce } from "../ui/announce";
import { memory } from "./memory";
import { Pace } from "./pace";
import { sendParts, type PartLinks } from "./parts";
import { backoff, formOf, mostAttempts, pause, send, SendError } from "./send";

/**
 * A file on its way into the bucket. It outlives the view that began it: whoever comes back finds it as it is. There is at most one
 * for each database.
 */
export interface Transfer {
  database: string;
  file: File;
  /** The upload's id, once it is announced. */
  upload?: string;
  /** Sent: the file has arrived and is being inspected. Stopped: it failed, and can be tried again. */
  phase: "announcing" | "sending" | "completing" | "stopped" | "sent";
  /** Bytes that have been sent. */
  sent: number;
  /** Bytes that had arrived when it was resumed. */
  resumedAt: number;
  /** Bytes a second. */
  perSecond?: number;
  /** It waits until somebody is signed in. */
  signedOut?: boolean;
  problem?: Problem;
}

interface Running extends Transfer {
  key: string;
  cancel: AbortController;
}

const transfers = new Map<string, Running>();
const listeners = new Set<() => void>();

const inProgress = (t: Transfer) => t.phase === "announcing" || t.phase === "sending" || t.phase === "completing";

function set(t: Running, change: Partial<Transfer>) {
  // A transfer that was cancelled may have something to say still.
  if (transfers.get(t.database)?.cancel !== t.cancel) return;
  Object.assign(t, change);
  transfers.set(t.database, { ...t });
  tell();
}

function tell() {
  if ([...transfers.values()].some(inProgress)) window.addEventListener("beforeunload", ask);
  else window.removeEventListener("beforeunload", ask);
  listeners.forEach((listener) => listener());
}

/** Has the browser ask before the page is left, as that would end the transfer. */
function ask(event: BeforeUnloadEvent) {
  event.preventDefault();
}

export function useTransfer(database: string): Transfer | undefined {
  const subscribe = useCallback((listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return useSyncExternalStore(subscribe, () => transfers.get(database));
}

/** Sends a file for a new upload, for the one that it was being sent for before, or for the one that is named. */
export function startTransfer(database: string, file: File, upload = memory.find(database, file)?.id) {
  begin({ database, file, upload, key: crypto.randomUUID() });
}

/** Tries a transfer that stopped again: from where it stopped, or as a new upload where the old one is past saving. */
export function retryTransfer(database: string) {
  const t = transfers.get(database);
  if (t === undefined || t.phase !== "stopped") return;
  if (!past.has(t.problem?.code ?? "")) return begin(t);
  if (t.upload !== undefined) memory.forget(database, t.upload);
  begin({ database, file: t.file, upload: undefined, key: crypto.randomUUID() });
}

// The codes that say that an upload can't be gone on with.
const past = new Set(["upload_gone", "upload_expired"]);

function begin({ database, file, upload, key }: Pick<Running, "database" | "file" | "upload" | "key">) {
  transfers.get(database)?.cancel.abort();
  const t: Running = { database, file, upload, key, phase: "announcing", sent: 0, resumedAt: 0, cancel: new AbortController() };
  transfers.set(database, t);
  set(t, {});
  run(t).then(
    () => {
      memory.forget(database, t.upload!);
      set(t, { phase: "sent", sent: file.size });
      announce(`${file.name} has been sent. It is being inspected.`);
    },
    (error: unknown) => {
      if (t.cancel.signal.aborted) return;
      set(t, { phase: "stopped", problem: problemOfSending(error, file), perSecond: undefined, signedOut: false });
    },
  );
}

/** Ends a transfer. What has arrived can be gone on with until it is abandoned, or a day is over. */
export function stopTransfer(database: string) {
  transfers.get(database)?.cancel.abort();
  dismissTransfer(database);
}

/** Forgets a transfer that has ended. */
export function dismissTransfer(database: string) {
  transfers.delete(database);
  tell();
}

async function run(t: Running) {
  const { database } = t;
  let way = t.upload === undefined ? await announced(t) : await links(t).catch((error: unknown) => overtaken(t, error));
  if (way === undefined) return;
  for (let again = false; ; again = true) {
    set(t, { phase: "sending", resumedAt: 0 });
    await transfer(t, way);
    set(t, { phase: "completing", perSecond: undefined });
    try {
      return await complete(t, way.parts !== undefined);
    } catch (error) {
      // What is remembered of this file was wrong: it is sent once more, from its beginning.
      if (asProblem(error).code !== "upload_incomplete" || again) throw error;
      memory.startOver(database, t.upload!);
      way = await links(t);
    }
  }
}

// Joining the parts of a large file may take the bucket longer than a call may take. The call is cut off then, and the next one finds
// the parts gone before the whole is there: so long it is asked for again.
const joining = 180_000;

async function complete(t: Running, inParts: boolean) {
  const { database } = t;
  const signal = t.cancel.signal;
  for (const began = Date.now(); ;) {
    try {
      await call(t, () =>
        answer(
          api.POST("/api/databases/{database}/uploads/{id}/complete", { params: { path: { database, id: t.upload! } }, signal }),
        ),
      );
      return;
    } catch (error) {
      const p = asProblem(error);
      if (!inParts || !(p.passes || p.code === "upload_gone") || Date.now() - began > joining) throw error;
      await pause(5_000, signal);
    }
  }
}

async function announced(t: Running): Promise<Schemas["UploadLinks"]> {
  const { database, file, cancel } = t;
  const made = await call(t, () =>
    answer(
      api.POST("/api/databases/{database}/uploads", {
        params: { path: { database }, header: { "Idempotency-Key": t.key } },
        body: { filename: file.name, size: file.size },
        signal: cancel.signal,
      }),
    ),
  );
  memory.begin(database, made.id, file);
  set(t, { upload: made.id });
  return made;
}

async function links(t: Running): Promise<Schemas["UploadLinks"]> {
  const { database, upload, file } = t;
  const fresh = await call(t, () =>
    answer(
      api.POST("/api/databases/{database}/uploads/{id}/links", {
        params: { path: { database, id: upload! } },
        signal: t.cancel.signal,
      }),
    ),
  );
  if (fresh.size !== file.size) throw otherFile(fresh, file);
  if (memory.find(database, file)?.id !== fresh.id) memory.begin(database, fresh.id, file);
  return fresh;
}

/** An upload that does not wait for its file any more: it may have arrived, or its time is over and another one begins. */
async function overtaken(t: Running, error: unknown): Promise<Schemas["UploadLinks"] | undefined> {
  const code = asProblem(error).code;
  if (code !== "upload_not_pending" && code !== "upload_not_found") throw error;
  const { database, upload } = t;
  memory.forget(database, upload!);
  t.key = crypto.randomUUID();
  if (code === "upload_not_pending") {
    const now = await call(t, () =>
      answer(api.GET("/api/databases/{database}/uploads/{id}", { params: { path: { database, id: upload! } } })),
    );
    if (now.failure?.code !== "upload_never_arrived") return undefined;
  }
  return announced(t);
}

async function transfer(t: Running, way: Schemas["UploadLinks"]) {
  const { database, file } = t;
  const pace = new Pace();
  let told = 0;
  const onSent = (bytes: number) => {
    const now = Date.now();
    pace.note(bytes, now);
    if (now - told < 250 && bytes < file.size) return;
    told = now;
    set(t, { sent: bytes, perSecond: pace.perSecond });
  };
  if (way.post !== undefined) return transferWhole(t, way.post, onSent);
  if (way.parts === undefined) throw tooLate();
  const done = new Set(memory.find(database, file)?.parts.filter((part) => part < way.parts!.urls.length));
  set(t, { resumedAt: Math.min(file.size, done.size * way.parts.partSize) });
  await sendParts({
    size: file.size,
    links: way.parts,
    done,
    put: (url, from, to, sent, signal) =>
      sendBlob(file, { method: "PUT", url, body: file.slice(from, to), signal, onSent: sent }),
    renew: async (): Promise<PartLinks> => {
      const fresh = await links(t);
      if (fresh.parts === undefined) throw tooLate();
      return fresh.parts;
    },
    wait: pause,
    onPart: (part) => {
      memory.partArrived(database, t.upload!, part);
      // However soon after the last word about it: the next one may take long.
      told = 0;
    },
    onSent,
    signal: t.cancel.signal,
  });
}

/** A file of at most 5 GiB goes by one POST, from its beginning each time. */
async function transferWhole(t: Running, form: Schemas["PostForm"], onSent: (bytes: number) => void) {
  const signal = t.cancel.signal;
  for (let attempt = 1, post = form; ; attempt++) {
    try {
      return await sendBlob(t.file, {
        method: "POST",
        url: post.url,
        body: formOf(post.fields, t.file),
        signal,
        // The form's fields are counted too.
        onSent: (bytes) => onSent(Math.min(bytes, t.file.size)),
      });
    } catch (error) {
      if (!(error instanceof SendError) || attempt >= mostAttempts || !(error.passes || (error.linkEnded && attempt <= 2)))
        throw error;
      onSent(0);
      await pause(backoff(attempt), signal);
      const fresh = await links(t);
      if (fresh.post === undefined) throw tooLate();
      post = fresh.post;
    }
  }
}

/** Tells a broken connection from a file that the browser can't read any more, since it was changed or removed. */
async function sendBlob(file: File, sending: Parameters<typeof send>[0]) {
  try {
    await send(sending);
  } catch (error) {
    if (error instanceof SendError && error.status === 0) {
      await file
        .slice(0, 1)
        .arrayBuffer()
        .catch(() => {
          throw unreadable(file);
        });
    }
    throw error;
  }
}

/** A call of the API that outlasts the end of a session, and what passes by itself. */
async function call<T>(t: Running, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ;) {
    try {
      const got = await ask();
      if (t.signedOut === true) set(t, { signedOut: false });
      return got;
    } catch (error) {
      t.cancel.signal.throwIfAborted();
      const p = asProblem(error);
      if (p.status === 401) {
        // Without a session no call leaves the page: asking costs nothing.
        if (t.signedOut !== true) set(t, { signedOut: true });
        await pause(1_000, t.cancel.signal);
      } else if (p.passes && attempt < 4) {
        await pause(backoff(attempt++), t.cancel.signal);
      } else throw error;
    }
  }
}

const stays = "Try again: it goes on with what has arrived.";

function problemOfSending(error: unknown, file: File): Problem {
  if (!(error instanceof SendError)) return asProblem(error);
  if (error.status === 0) {
    return new Problem({
      status: 0,
      code: "offline",
      detail: `The connection broke while ${file.name} was being sent.`,
      hint: stays,
    });
  }
  if (error.status === 404) {
    return new Problem({
      status: 404,
      code: "upload_gone",
      detail: "The parts of this upload are no longer there: they are kept for a day.",
      hint: "Try again: the file is sent from its beginning.",
    });
  }
  return new Problem({
    status: error.status,
    code: "bucket_refused",
    detail: `The bucket refused ${file.name}: HTTP status ${error.status}${error.code === "" ? "" : `, ${error.code}`}.`,
    hint: error.passes ? stays : "Try again. If it happens again, begin a new upload.",
  });
}

const unreadable = (file: File) =>
  new Problem({
    status: -1,
    code: "file_changed",
    detail: `The browser can’t read ${file.name} any more: it was changed, moved or removed since it was chosen.`,
    hint: "Cancel, then choose the file again.",
  });

const otherFile = (upload: Schemas["Upload"], file: File) =>
  new Problem({
    status: -1,
    code: "other_file",
    detail: `${file.name} has ${file.size} bytes, and this upload waits for ${upload.filename}, which has ${upload.size}.`,
    hint: "Cancel, then choose the same file as before, or upload this one as a new file.",
  });

const tooLate = () =>
  new Problem({
    status: -1,
    code: "upload_expired",
    detail: "This upload’s time is over: a file has to arrive within a day.",
    hint: "Try again: it becomes a new upload, which is sent from its beginning.",
  });
