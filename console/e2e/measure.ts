import type { Browser } from "@playwright/test";

import { enter } from "./lib/session";
import { backupsOf, rowsOf } from "./lib/inventory";
import { at, expect, test } from "./lib/scene";
import { ada, newDatabase, seed, stack } from "./lib/stack";
import { freshName } from "./lib/test";

// Measures how soon each view can be used after its address is opened, what it loads, and how smoothly a long list scrolls. It prints,
// and judges nothing: the figures are those of a machine.

const runs = 5;

interface Line {
  name: string;
  /** What CDP's Network.emulateNetworkConditions takes; nothing for the machine's own. */
  network?: { latency: number; downloadThroughput: number; uploadThroughput: number };
  slowdown: number;
}

const lines: Line[] = [
  { name: "this machine", slowdown: 1 },
  {
    name: "a phone on slow 4G",
    network: { latency: 150, downloadThroughput: (1.6 * 1_000_000) / 8, uploadThroughput: (0.75 * 1_000_000) / 8 },
    slowdown: 4,
  },
];

interface Load {
  /** Milliseconds from the navigation until the view's content was there and no task longer than 50 ms was under way. */
  usable: number;
  /** Milliseconds beyond 50 of each task until then. */
  blocked: number;
  /** Files of the page, its own configuration among them, and calls of the API and of the identity provider. */
  files: number;
  calls: number;
  /** Bytes over the line until then, without the network's own heads. */
  bytes: number;
}

interface Watched {
  e2eUsable: number | undefined;
  e2eTasks: { from: number; to: number }[];
}

const say = (text: string) => process.stdout.write(`${text}\n`);

const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Opens a view in a browser that has never seen the page. */
async function load(browser: Browser, address: string, content: string, line: Line): Promise<Load> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await enter(page, ada);
  const devtools = await context.newCDPSession(page);
  await devtools.send("Network.enable");
  if (line.network !== undefined) await devtools.send("Network.emulateNetworkConditions", { offline: false, ...line.network });
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: line.slowdown });
  let bytes = 0;
  devtools.on("Network.loadingFinished", (e) => (bytes += e.encodedDataLength));
  let files = 0;
  let calls = 0;
  page.on("request", (r) => (r.url().startsWith(`${stack.url}/api/`) || r.url().startsWith(stack.issuer) ? calls++ : files++));
  await page.addInitScript((wanted) => {
    const w = window as unknown as Watched;
    w.e2eTasks = [];
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) w.e2eTasks.push({ from: task.startTime, to: task.startTime + task.duration });
    }).observe({ type: "longtask", buffered: true });
    const look = () => {
      const there = document.querySelector("main")?.textContent.includes(wanted) === true;
      if (there && document.querySelector("[aria-busy=true]") === null) w.e2eUsable = performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, content);
  await page.goto(`/#${address}`);
  await expect.poll(() => page.evaluate(() => (window as unknown as Watched).e2eUsable)).toBeDefined();
  const seen = await page.evaluate(() => {
    const { e2eUsable, e2eTasks } = window as unknown as Watched;
    return { usable: e2eUsable!, tasks: e2eTasks };
  });
  const before = seen.tasks.filter((task) => task.from < seen.usable);
  const measured: Load = {
    usable: Math.max(seen.usable, ...before.map((task) => task.to)),
    blocked: before.reduce((sum, task) => sum + task.to - task.from - 50, 0),
    files,
    calls,
    bytes,
  };
  await context.close();
  return measured;
}

test("how soon each view can be used", async ({ browser, scene }) => {
  test.setTimeout(600_000);
  await seed(scene.database, 5000);
  const views: [name: string, address: string, content: string][] = [
    ["inventory, 5,000 backups", at.inventory(scene.database), scene.backup.filename],
    ["details of a backup", at.backup(scene.backup), "attendance_2024_autumn"],
    ["Restore Options", at.options(scene.database), scene.backup.filename],
    ["report of a dry run", at.run(scene.rehearsal), "meal_order"],
    ["cron key", "/cron-key", "Reveal"],
    ["activity", `/activity?database=${scene.database}`, "Dry run requested"],
  ];
  say(`\nmedians of ${runs} loads, each in a browser that has never seen the page`);
  for (const line of lines) {
    say(`\n${line.name.padEnd(26)}  usable   blocked  files  calls      bytes`);
    for (const [name, address, content] of views) {
      const loads: Load[] = [];
      for (let i = 0; i < runs; i++) loads.push(await load(browser, address, content, line));
      const m = (figure: keyof Load) => median(loads.map((l) => l[figure]));
      const figures = `${m("usable").toFixed(0).padStart(5)} ms  ${m("blocked").toFixed(0).padStart(5)} ms`;
      say(
        `${name.padEnd(26)} ${figures}  ${String(m("files")).padStart(5)}  ${String(m("calls")).padStart(5)}  ${m("bytes").toLocaleString("en").padStart(9)}`,
      );
    }
  }
});

test("how smoothly a long inventory scrolls", async ({ open }) => {
  test.setTimeout(300_000);
  const database = await newDatabase(freshName("long"));
  await seed(database, 5000);
  const page = await open(ada, { at: backupsOf(database) });
  await expect(rowsOf(page).first()).toBeVisible();
  const ways: [name: string, times: number, go: () => Promise<void>][] = [
    ["down by End, with the pages that are read", 60, () => page.keyboard.press("End")],
    ["up by the wheel", 60, () => page.mouse.wheel(0, -400)],
    ["up by PageUp", 30, () => page.keyboard.press("PageUp")],
    ["down by PageDown", 30, () => page.keyboard.press("PageDown")],
    ["back to the start by Home", 1, () => page.keyboard.press("Home")],
  ];
  await page.mouse.move(600, 500);
  say(`\n${"5,000 backups".padEnd(42)}  frames   median      95 %   longest`);
  for (const [name, times, go] of ways) {
    await page.evaluate(() => {
      const w = window as unknown as { e2eFrames: number[]; e2eStop: boolean };
      w.e2eFrames = [];
      w.e2eStop = false;
      let last = performance.now();
      const frame = () => {
        const now = performance.now();
        w.e2eFrames.push(now - last);
        last = now;
        if (!w.e2eStop) requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    });
    for (let i = 0; i < times; i++) {
      await go();
      await page.waitForTimeout(100);
    }
    await page.waitForTimeout(1000);
    const frames = await page.evaluate(() => {
      const w = window as unknown as { e2eFrames: number[]; e2eStop: boolean };
      w.e2eStop = true;
      return w.e2eFrames.sort((a, b) => a - b);
    });
    const ms = (value: number) => `${value.toFixed(0).padStart(6)} ms`;
    const [middle, most] = [0.5, 0.95].map((share) => frames[Math.floor(frames.length * share)]!);
    say(`${name.padEnd(42)}  ${String(frames.length).padStart(6)}${ms(middle!)} ${ms(most!)} ${ms(frames.at(-1)!)}`);
  }
});
