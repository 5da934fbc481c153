import { fillSignIn, signIn } from "./lib/session";
import { ada, ben, cleo, stack, token } from "./lib/stack";
import { expect, test } from "./lib/test";

test.describe("signing in", () => {
  test("an operator signs in on the provider's page and comes back to the page that was asked for", async ({ visitor }) => {
    const page = await visitor();
    await page.goto("/#/activity");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page).toHaveURL(new RegExp(`^${stack.issuer}/authorize`));
    await fillSignIn(page, cleo);
    await expect(page).toHaveURL(`${stack.url}/#/activity`);
    await expect(page.getByRole("button", { name: cleo.name })).toBeVisible();
  });

  test("a sign-in that was begun elsewhere is refused in words, and another try begins at the start", async ({
    visitor,
    watch,
  }) => {
    watch.allow(/No matching state found/);
    const page = await visitor();
    await page.goto("/?code=stolen&state=unknown");
    await expect(page.getByRole("alert")).toContainText("The sign-in did not work");
    await expect(page).toHaveURL(`${stack.url}/`);
    await page.getByRole("button", { name: "Try again" }).click();
    await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  });

  test("tokens are in this tab's session storage only, and never in an address", async ({ visitor }) => {
    const page = await visitor();
    const addresses: string[] = [];
    page.on("request", (request) => addresses.push(request.url()));
    await signIn(page, ada);
    const kept = await page.evaluate(() => ({
      local: Object.entries(window.localStorage).join(),
      session: Object.entries(window.sessionStorage).join(),
      cookies: document.cookie,
      address: window.location.href,
    }));
    const jwt = /eyJ[\w-]+\./;
    expect(kept.session).toMatch(jwt);
    expect([kept.local, kept.cookies, kept.address, ...addresses].filter((text) => jwt.test(text))).toEqual([]);
  });

  test("a reload stays signed in, and a new tab does not know the session", async ({ visitor }) => {
    const page = await visitor();
    await signIn(page, ada);
    await page.reload();
    await expect(page.getByRole("button", { name: ada.name })).toBeVisible();
    const other = await page.context().newPage();
    await other.goto("/");
    await expect(other.getByRole("button", { name: "Sign in" })).toBeVisible();
  });
});

test.describe("signing out", () => {
  test("signing out ends the session here and at the provider, and leaves nothing behind", async ({ visitor }) => {
    const page = await visitor();
    await signIn(page, ben);
    const logout = page.waitForRequest((request) => request.url().startsWith(`${stack.issuer}/logout`));
    await page.getByRole("button", { name: ben.name }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await logout;
    await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
    expect(await page.evaluate(() => Object.keys(window.sessionStorage).filter((key) => key.startsWith("oidc.user")))).toEqual(
      [],
    );
    await page.goBack();
    await expect(page.getByText(ben.name)).toHaveCount(0);
  });
});

test.describe("a session that ends", () => {
  const seconds = 6;

  test("without a refresh token the page says so, keeps what is there, and goes on after another sign-in", async ({
    open,
    watch,
  }) => {
    watch.allow(/401/);
    const access = { token: await token(ada, seconds), seconds };
    const page = await open(ada, { at: "/activity", refresh: false, access });
    const dialog = page.getByRole("dialog", { name: "Your session has ended" });
    await expect(dialog).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(dialog).toBeVisible();
    const popup = page.waitForEvent("popup");
    await dialog.getByRole("button", { name: "Sign in again" }).click();
    await fillSignIn(await popup, ada);
    await expect(dialog).toHaveCount(0);
    await expect(page).toHaveURL(`${stack.url}/#/activity`);
    await expect(page.getByRole("button", { name: ada.name })).toBeVisible();
  });

  test("who closes the window of the second sign-in is told, and can try again", async ({ open, watch }) => {
    watch.allow(/401/);
    const page = await open(ada, { refresh: false, access: { token: await token(ada, seconds), seconds } });
    const dialog = page.getByRole("dialog", { name: "Your session has ended" });
    const popup = page.waitForEvent("popup");
    await dialog.getByRole("button", { name: "Sign in again" }).click();
    await (await popup).close();
    await expect(dialog.getByRole("alert")).toContainText("The sign-in window was closed before you were signed in");
    await expect(dialog.getByRole("button", { name: "Sign in again" })).toBeEnabled();
  });

  test("a session that had ended before the page was opened is told as that", async ({ open, watch }) => {
    watch.allow(/401/);
    const page = await open(ada, { refresh: false, access: { token: await token(ada, 1), seconds: -1 } });
    await expect(page.getByRole("dialog", { name: "Your session has ended" })).toBeVisible();
  });

  test("with a refresh token it goes on by itself, and nobody notices", async ({ open }) => {
    // The page refreshes a minute before the end.
    const page = await open(ada, { at: "/activity", access: { token: await token(ada, 65), seconds: 65 } });
    const refreshed = await page.waitForResponse((response) => response.url() === `${stack.issuer}/token`);
    expect(refreshed.request().postData()).toContain("grant_type=refresh_token");
    const { access_token: fresh } = (await refreshed.json()) as { access_token: string };
    const next = page.waitForRequest((request) => request.headers().authorization === `Bearer ${fresh}`);
    await page.reload();
    await next;
    await expect(page.getByRole("dialog")).toHaveCount(0);
  });

  test("another person who signs in sees the page as theirs", async ({ open, watch }) => {
    watch.allow(/401/);
    const page = await open(ada, { refresh: false, access: { token: await token(ada, seconds), seconds } });
    const dialog = page.getByRole("dialog", { name: "Your session has ended" });
    const popup = page.waitForEvent("popup");
    await dialog.getByRole("button", { name: "Sign in again" }).click();
    await fillSignIn(await popup, cleo);
    await page.getByRole("button", { name: cleo.name }).click();
    await expect(page.getByText("Auditor", { exact: true })).toBeVisible();
  });
});
