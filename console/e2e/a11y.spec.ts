import { expectFits, expectNoViolations, expectNoViolationsNow, show } from "./lib/a11y";
import { signIn } from "./lib/session";
import { ada, stack } from "./lib/stack";
import { expect, test } from "./lib/test";

test.describe("before signing in", () => {
  test("the page that asks to sign in has no violation, fits every width and works by keyboard", async ({ visitor }) => {
    const page = await visitor();
    await page.goto("/");
    await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
    await expectNoViolations(page);
    await expectFits(page);
    await page.keyboard.press("Tab");
    await expect(page.getByRole("button", { name: "Sign in" })).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(page).toHaveURL(new RegExp(`^${stack.issuer}/`));
  });

  test("the sign-in stand-in is readable in light and dark, fits a phone and works by keyboard", async ({ visitor }) => {
    const page = await visitor({ viewport: { width: 360, height: 640 } });
    await page.goto("/");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByLabel("Name")).toBeVisible();
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await expectNoViolationsNow(page);
    }
    await expectFits(page, [360]);
    await page.keyboard.press("Tab");
    await page.keyboard.type("Kim By Keyboard");
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await expect(page.getByRole("radio", { name: "auditor" })).toBeChecked();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("button", { name: "Kim By Keyboard" })).toBeVisible();
  });
});

test.describe("the frame", () => {
  test("has no violation and fits every width", async ({ open }) => {
    const page = await open(ada, { at: "/activity" });
    await expect(page.getByRole("heading", { name: "Activity" })).toBeVisible();
    await expectNoViolations(page);
    await expectFits(page);
  });

  test("the skip link leads past the navigation, and the focus is always visible", async ({ open }) => {
    const page = await open(ada, { at: "/activity" });
    await expect(page.getByRole("heading", { name: "Activity" })).toBeVisible();
    await page.keyboard.press("Tab");
    const skip = page.getByRole("link", { name: "Skip to the content" });
    await expect(skip).toBeFocused();
    await expect(skip).toBeInViewport();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("main")).toBeFocused();
    await expect(page).toHaveURL(/#\/activity$/);
  });

  test("every control is reached by keyboard, in the order in which it is read, and shows that it is", async ({ open }) => {
    const page = await open(ada, { at: "/cron-key" });
    await expect(page.getByRole("button", { name: ada.name })).toBeVisible();
    const order = [
      "Skip to the content",
      "Backup & Restore, start",
      "Light or dark",
      ada.name,
      "Backups",
      "Restore Options",
      "Cron Secret Key",
      "Activity",
    ];
    for (const name of order) {
      await page.keyboard.press("Tab");
      const focused = page.locator(":focus");
      await expect(focused).toHaveAccessibleName(name);
      await expect(focused, name).not.toHaveCSS("outline-style", "none");
    }
  });

  test("a menu opens and closes by keyboard, and gives the focus back", async ({ open }) => {
    const page = await open(ada, { at: "/activity" });
    const button = page.getByRole("button", { name: ada.name });
    await button.focus();
    await page.keyboard.press("Enter");
    const signOut = page.getByRole("menuitem", { name: "Sign out" });
    await expect(signOut).toBeFocused();
    await page.keyboard.press("Escape");
    await expect(signOut).toHaveCount(0);
    await expect(button).toBeFocused();
  });

  test("light or dark is as the system has it until somebody chooses, and stays as chosen", async ({ open }) => {
    const page = await open(ada, { at: "/activity" });
    await show(page, "light");
    await show(page, "dark");
    await page.getByRole("button", { name: "Light or dark" }).click();
    await page.getByRole("menuitem", { name: "Light" }).click();
    await expect(page.locator("html")).toHaveAttribute("data-mantine-color-scheme", "light");
    await page.reload();
    await expect(page.getByRole("heading", { name: "Activity" })).toBeVisible();
    await expect(page.locator("html")).toHaveAttribute("data-mantine-color-scheme", "light");
  });

  test("an address that leads nowhere says so, and leads back", async ({ open }) => {
    const page = await open(ada, { at: "/nowhere" });
    await expect(page.getByRole("heading", { name: "Not found" })).toBeVisible();
    await page.getByRole("link", { name: "Go to the backups" }).click();
    await expect(page).toHaveURL(/#\/databases\/[^/]+\/backups$/);
  });

  test("the browser's back and forward go through the views", async ({ visitor }) => {
    const page = await visitor();
    await signIn(page, ada);
    await page.getByRole("link", { name: "Cron Secret Key" }).click();
    await page.getByRole("link", { name: "Activity" }).click();
    await page.goBack();
    await expect(page).toHaveURL(/#\/cron-key$/);
    await page.goForward();
    await expect(page.getByRole("heading", { name: "Activity" })).toBeVisible();
  });
});
