import type { components } from "./schema";

export type Permission = components["schemas"]["Operator"]["permissions"][number];

type Details = Omit<components["schemas"]["Problem"], "type" | "title">;

/** What went wrong with a call, in words for operators: what is wrong, and what to do. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint?: string;
  readonly permission?: Permission;
  readonly requestId?: string;
  readonly errors: components["schemas"]["FieldError"][];

  constructor(p: Details) {
    super(p.detail);
    this.name = "Problem";
    this.status = p.status;
    this.code = p.code;
    this.hint = p.hint;
    this.permission = p.permission as Permission | undefined;
    this.requestId = p.requestId;
    this.errors = p.errors ?? [];
  }

  /** Whether the same call may succeed in a while without anybody doing something. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** The session's end, as the API's authorizer tells it. */
export const sessionEnded = () =>
  new Problem({
    status: 401,
    code: "session_ended",
    detail: "Your session has ended.",
    hint: "Sign in again. What you typed is still here.",
  });

/** The call got no answer: status 0. */
export function noAnswer(cause: unknown): Problem {
  if (cause instanceof DOMException && cause.name === "TimeoutError") {
    return new Problem({
      status: 0,
      code: "timeout",
      detail: "The service did not answer within half a minute.",
      hint: "Try again. What you asked for may have been done all the same: refresh and look.",
    });
  }
  return new Problem({
    status: 0,
    code: "offline",
    detail: "The service can’t be reached.",
    hint: navigator.onLine ? "Check the connection and try again." : "This computer is offline. Connect it, then try again.",
  });
}

/** What an answer with an error status says. Gateways and proxies answer without problem details. */
export function problemOf(status: number, body: unknown): Problem {
  if (status === 401) return sessionEnded();
  if (body !== null && typeof body === "object" && "code" in body && "detail" in body) {
    return new Problem({ ...(body as Details), status });
  }
  return new Problem({
    status,
    code: "unexpected_answer",
    detail: `The service answered with HTTP status ${status}.`,
    hint: status >= 500 ? "Try again in some seconds." : "Refresh the page and try again.",
  });
}

/** Any error, as a Problem. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem({
    status: -1,
    code: "page_error",
    detail: "The page met an error that it did not expect.",
    hint: "Reload the page. If it happens again, tell whoever runs this service what you did.",
  });
}
