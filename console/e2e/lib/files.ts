import { randomUUID } from "node:crypto";
import { expect, type Page } from "@playwright/test";

/** A file that somebody has. */
export interface Sample {
  name: string;
  content: Buffer;
}

export const text = (name: string, sql: string): Sample => ({ name, content: Buffer.from(sql) });

/** Has the restore go by an uploaded file. */
export async function turnToUploads(page: Page) {
  await page.getByText("From an uploaded file", { exact: true }).click();
  await expect(page.getByRole("button", { name: "Choose a file" })).toBeVisible();
}

/** Chooses files in the dialog of the browser. */
export async function choose(page: Page, ...samples: Sample[]) {
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Choose a file" }).click();
  await (
    await chooser
  ).setFiles(samples.map(({ name, content }) => ({ name, mimeType: "application/octet-stream", buffer: content })));
}

/** Drags files over the page and lets them fall, as a browser tells of it. */
export async function drop(page: Page, ...samples: Sample[]) {
  const dragged = await page.evaluateHandle(
    (files) => {
      const transfer = new DataTransfer();
      for (const { name, base64 } of files) {
        const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { lastModified: 1_700_000_000_000 }));
      }
      return transfer;
    },
    samples.map(({ name, content }) => ({ name, base64: content.toString("base64") })),
  );
  const target = page.getByRole("main");
  await target.dispatchEvent("dragover", { dataTransfer: dragged });
  await target.dispatchEvent("drop", { dataTransfer: dragged });
}

/**
 * Has the API announce files in parts, however small they are: as it does for those of more than 5 GiB, whose bytes would take too long
 * to go by a browser that is watched.
 */
export async function inParts(page: Page, partSize: number) {
  await page.route(/\/uploads(\/[^/]+\/links)?$/, async (route) => {
    if (route.request().method() !== "POST") return route.fallback();
    const response = await route.fetch();
    const announced = (await response.json()) as { size: number; post: { url: string } };
    const urls = Array.from(
      { length: Math.ceil(announced.size / partSize) },
      (_, i) => `${announced.post.url}?partNumber=${i + 1}&link=${randomUUID()}`,
    );
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    await route.fulfill({ response, json: { ...announced, post: undefined, parts: { partSize, urls, expiresAt } } });
  });
}

/** The bucket, as far as it takes parts: it answers what is said of each. Who is told nothing waits. */
export async function partsArrive(page: Page, answer: (part: number, url: string) => number | undefined) {
  await page.route(
    (url) => url.searchParams.has("partNumber"),
    async (route) => {
      const url = route.request().url();
      const status = answer(Number(new URL(url).searchParams.get("partNumber")), url);
      if (status !== undefined) await route.fulfill({ status, headers: { "Access-Control-Allow-Origin": "*" } });
    },
  );
}
