import { isReturn, newUserManager } from "./oidc";

/** In the window of a second sign-in: hands its result to the page that opened it, which closes the window. */
export function finishPopup(): boolean {
  if (window.opener === null || !isReturn()) return false;
  void newUserManager().then(({ manager }) => manager.signinPopupCallback());
  return true;
}
