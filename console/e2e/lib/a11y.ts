import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"];

type Scheme = "light" | "dark";
export const schemes: Scheme[] = ["light", "dark"];

/** Shows the page as a system in light or dark would. */
export async function show(page: Page, scheme: Scheme) {
  // Nothing fades: a colour on its way is neither the one nor the other.
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
  await expect(page.locator("html")).toHaveAttribute("data-mantine-color-scheme", scheme);
}

/** Checks what is shown now against WCAG 2.2 A and AA, as far as a program can. */
export async function expectNoViolationsNow(page: Page) {
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  const found = violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(" ")}: ${n.failureSummary ?? v.help}`));
  expect(found, "violations of WCAG 2.2").toEqual([]);
}

/** Checks the page in light and in dark, and on a phone, where some of it is hidden. */
export async function expectNoViolations(page: Page) {
  for (const scheme of schemes) {
    await show(page, scheme);
    await expectNoViolationsNow(page);
  }
  await atWidths(page, [390], () => expectNoViolationsNow(page));
}

/** Does something at each width, and goes back to the width before. */
async function atWidths(page: Page, widths: number[], act: (width: number) => Promise<void>) {
  const before = page.viewportSize();
  for (const width of widths) {
    await page.setViewportSize({ width, height: 800 });
    await act(width);
  }
  if (before !== null) await page.setViewportSize(before);
}

/** Checks that the page as a whole does not scroll sideways, at the widths that it promises. */
export async function expectFits(page: Page, widths = [360, 768, 1280, 2560]) {
  await atWidths(page, widths, async (width) => {
    const over = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    // Less than nothing is the room that is kept for a scroll bar.
    await expect.poll(over, `sideways scroll at ${width} px`).toBeLessThanOrEqual(0);
  });
}
