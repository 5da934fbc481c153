import createClient from "openapi-fetch";

import { noAnswer, problemOf, sessionEnded } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

// API Gateway gives up after 30 s.
const patience = 35_000;

/** Where a token comes from, and who is told that it is not accepted any more. */
export interface TokenSource {
  token(): string | undefined;
  ended(): void;
}

let source: TokenSource = { token: () => undefined, ended: () => undefined };

export function takeTokensFrom(s: TokenSource) {
  source = s;
}

const client = createClient<paths>({
  baseUrl: window.location.origin,
  fetch: async (request: Request) => {
    const token = source.token();
    if (token === undefined) throw sessionEnded();
    request.headers.set("Authorization", `Bearer ${token}`);
    try {
      return await fetch(request, {
        signal: AbortSignal.any([request.signal, AbortSignal.timeout(patience)]),
        cache: "no-store",
      });
    } catch (error) {
      if (request.signal.aborted) throw error;
      throw noAnswer(error);
    }
  },
});

/** The API's calls, typed by its description. Use with {@link answer}. */
export const api = client;

/** The body of a call's answer. Anything but success is thrown as a Problem. */
export async function answer<T>(call: Promise<{ data?: T; response: Response; error?: unknown }>): Promise<T> {
  const { data, response, error } = await call;
  if (response.ok) return data as T;
  const problem = problemOf(response.status, error);
  if (problem.status === 401) source.ended();
  throw problem;
}
