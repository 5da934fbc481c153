import { createHash, randomBytes } from "node:crypto";
import { expect, type Page } from "@playwright/test";

import { clientId, stack, type Person } from "./stack";

/** Signs in on the page that the identity provider shows. */
export async function fillSignIn(page: Page, person: Person) {
  await page.getByLabel("Name").fill(person.name);
  await page.getByRole("radio", { name: person.role }).check();
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Signs in as people do, from the page's start. */
export async function signIn(page: Page, person: Person) {
  await page.goto("/");
  await page.getByRole("button", { name: "Sign in" }).click();
  await fillSignIn(page, person);
  await expect(page.getByRole("button", { name: person.name })).toBeVisible();
}

export interface SessionOptions {
  /** Leave the refresh token out, so that the session ends with its access token. */
  refresh?: boolean;
  /** An access token of one's own, such as one that ends soon, and its seconds. */
  access?: { token: string; seconds: number };
}

interface Tokens {
  access_token: string;
  id_token: string;
  refresh_token?: string;
  expires_in: number;
}

/** Gets tokens as the page does, from the same provider by the same calls, without a browser. */
async function tokens(person: Person): Promise<Tokens> {
  const verifier = randomBytes(32).toString("base64url");
  const callback = `${stack.url}/`;
  const form = new URLSearchParams({
    client_id: clientId,
    redirect_uri: callback,
    response_type: "code",
    scope: "openid profile email",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    name: person.name,
    role: person.role === "" ? "none" : person.role,
  });
  const answer = await fetch(`${stack.issuer}/authorize`, { method: "POST", body: form, redirect: "manual" });
  const back = new URL(answer.headers.get("Location") ?? "about:blank");
  const exchange = new URLSearchParams({
    grant_type: "authorization_code",
    client_id: clientId,
    redirect_uri: callback,
    code: back.searchParams.get("code") ?? "",
    code_verifier: verifier,
  });
  const given = await fetch(`${stack.issuer}/token`, { method: "POST", body: exchange });
  if (!given.ok) throw new Error(`the provider gives no tokens: ${given.status} ${await given.text()}`);
  return (await given.json()) as Tokens;
}

/**
 * Puts a session into a tab before the page starts, as if its person had signed in a moment ago. It does so once: who signs out
 * stays signed out.
 */
export async function enter(page: Page, person: Person, options: SessionOptions = {}) {
  const t = await tokens(person);
  const claims = JSON.parse(Buffer.from(t.id_token.split(".")[1]!, "base64url").toString()) as Record<string, unknown>;
  const user = {
    id_token: t.id_token,
    access_token: options.access?.token ?? t.access_token,
    refresh_token: options.refresh === false ? undefined : t.refresh_token,
    token_type: "Bearer",
    scope: "openid profile email",
    profile: claims,
    expires_at: Math.floor(Date.now() / 1000) + (options.access?.seconds ?? t.expires_in),
  };
  await page.addInitScript(
    ({ origin, key, text }) => {
      if (window.location.origin !== origin || window.sessionStorage.getItem("e2e-entered") !== null) return;
      window.sessionStorage.setItem("e2e-entered", "yes");
      window.sessionStorage.setItem(key, text);
    },
    { origin: stack.url, key: `oidc.user:${stack.issuer}:${clientId}`, text: JSON.stringify(user) },
  );
}
