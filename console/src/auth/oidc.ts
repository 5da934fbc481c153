import { UserManager, WebStorageStateStore, type User } from "oidc-client-ts";

import { noAnswer, Problem, problemOf } from "../api/problem";

/** What /config.json says of the identity provider. */
interface Config {
  issuer: string;
  clientId: string;
}

async function loadConfig(): Promise<Config> {
  const response = await fetch("/config.json").catch((error: unknown) => {
    throw noAnswer(error);
  });
  if (!response.ok) throw problemOf(response.status, undefined);
  return (await response.json()) as Config;
}

const home = () => `${window.location.origin}/`;

/** The client of the identity provider: code flow with PKCE. Tokens live in this tab's session storage and end with it. */
export async function newUserManager(): Promise<{ manager: UserManager; clientId: string }> {
  const { issuer, clientId } = await loadConfig();
  const store = new WebStorageStateStore({ store: window.sessionStorage });
  const manager = new UserManager({
    authority: issuer,
    client_id: clientId,
    redirect_uri: home(),
    post_logout_redirect_uri: home(),
    scope: "openid profile email",
    userStore: store,
    stateStore: store,
    // Without a refresh token it would load the provider into a frame, which the page's policy forbids.
    automaticSilentRenew: false,
    popupWindowFeatures: { width: 480, height: 720 },
  });
  return { manager, clientId };
}

/** Whether the identity provider has just sent the browser back to this page, or to its pop-up. */
export function isReturn(): boolean {
  const q = new URLSearchParams(window.location.search);
  return q.has("state") && (q.has("code") || q.has("error"));
}

/** Completes a sign-in that left the page, and goes where the page was. */
export async function finishRedirect(manager: UserManager): Promise<User> {
  try {
    const user = await manager.signinRedirectCallback();
    const hash = typeof user.state === "string" ? user.state : "";
    window.history.replaceState(null, "", `/${hash}`);
    return user;
  } catch (error) {
    // The code in the address works only once: another try begins at the start.
    window.history.replaceState(null, "", "/");
    throw error;
  }
}

export async function startRedirect(manager: UserManager) {
  await manager.signinRedirect({ state: window.location.hash });
}

/** Signs in by a window of its own. */
export async function signInBeside(manager: UserManager): Promise<User> {
  try {
    return await manager.signinPopup({ popupAbortOnClose: true });
  } catch {
    throw new Problem({
      status: -1,
      code: "sign_in_not_finished",
      detail: "The sign-in window was closed before you were signed in, or the browser did not open it.",
      hint: "Try again. If no window appears, allow pop-ups for this page.",
    });
  }
}

/** Ends the session at the provider too: as OpenID Connect says, and as Cognito does. */
export async function signOut(manager: UserManager, clientId: string) {
  const endpoint = await manager.metadataService.getEndSessionEndpoint().catch(() => undefined);
  if (endpoint === undefined) {
    await manager.removeUser();
    window.location.replace("/");
    return;
  }
  await manager.signoutRedirect({ extraQueryParams: { client_id: clientId, logout_uri: home() } });
}
