import { useQueryClient } from "@tanstack/react-query";
import type { User, UserManager } from "oidc-client-ts";
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";

import { takeTokensFrom } from "../api/client";
import { finishRedirect, isReturn, newUserManager, signInBeside, signOut, startRedirect } from "./oidc";

type State =
  | { status: "loading" }
  | { status: "failed"; error: unknown }
  | { status: "signed-out" }
  | { status: "signed-in"; user: User }
  | { status: "ended"; user: User };

interface Session {
  state: State;
  /** Leaves the page for the sign-in page. */
  signIn(): Promise<void>;
  /** Signs in again beside the page, so that what is typed or being uploaded stays. */
  signInAgain(): Promise<void>;
  signOut(): Promise<void>;
}

const Context = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(Context);
  if (session === undefined) throw new Error("there is no SessionProvider above");
  return session;
}

type Provider = Awaited<ReturnType<typeof newUserManager>>;

async function begin(): Promise<{ provider: Provider; user: User | null }> {
  const provider = await newUserManager();
  if (!isReturn()) return { provider, user: await provider.manager.getUser() };
  return { provider, user: await finishRedirect(provider.manager) };
}

/** Gets fresh tokens where the provider gave a refresh token; undefined where it did not, or refuses. */
async function refresh(manager: UserManager, user: User): Promise<User | undefined> {
  if (user.refresh_token === undefined) return undefined;
  return (await manager.signinSilent().catch(() => null)) ?? undefined;
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const [state, setState] = useState<State>({ status: "loading" });
  const provider = useRef<Provider>(undefined);
  const current = useRef<State>(state);
  const queries = useQueryClient();

  const set = useCallback((next: State) => {
    current.current = next;
    setState(next);
  }, []);

  const end = useCallback(() => {
    if (current.current.status === "signed-in") set({ status: "ended", user: current.current.user });
  }, [set]);

  const accept = useCallback(
    (user: User) => {
      const before = current.current;
      set({ status: "signed-in", user });
      if (before.status !== "ended") return;
      // Another person may see other things.
      if (before.user.profile.sub === user.profile.sub) void queries.invalidateQueries();
      else void queries.resetQueries();
    },
    [queries, set],
  );

  useEffect(() => {
    takeTokensFrom({
      token: () => (current.current.status === "signed-in" ? current.current.user.access_token : undefined),
      ended: end,
    });
    begin().then(
      ({ provider: p, user }) => {
        provider.current = p;
        if (user === null) set({ status: "signed-out" });
        else set({ status: user.expired === true ? "ended" : "signed-in", user });
      },
      (error: unknown) => set({ status: "failed", error }),
    );
  }, [end, set]);

  const user = state.status === "signed-in" ? state.user : undefined;
  useEffect(() => {
    const manager = provider.current?.manager;
    if (user?.expires_at === undefined || manager === undefined) return;
    // A minute before the end there is time for a refresh; browsers run timers late, so the API's 401 counts too.
    const left = user.expires_at * 1000 - Date.now();
    const renew = window.setTimeout(() => void refresh(manager, user).then((u) => u && accept(u)), Math.max(0, left - 60_000));
    const over = window.setTimeout(end, Math.max(0, left));
    return () => {
      window.clearTimeout(renew);
      window.clearTimeout(over);
    };
  }, [user, accept, end]);

  const session = useMemo<Session>(
    () => ({
      state,
      signIn: async () => startRedirect(provider.current!.manager),
      signInAgain: async () => accept(await signInBeside(provider.current!.manager)),
      signOut: async () => signOut(provider.current!.manager, provider.current!.clientId),
    }),
    [state, accept],
  );
  return <Context value={session}>{children}</Context>;
}
