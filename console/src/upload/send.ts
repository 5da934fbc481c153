// The one call to the bucket. No token goes with it: the link is the right by itself.

/** A transfer that did not arrive. Status 0: the connection broke, or nothing moved for a minute. */
export class SendError extends Error {
  constructor(
    readonly status: number,
    /** What the bucket calls it. */
    readonly code = "",
  ) {
    super(`sending the file: ${status === 0 ? "no answer" : `HTTP status ${status}`} ${code}`);
    this.name = "SendError";
  }

  /** Whether the same call may succeed in a while. */
  get passes(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }

  /** Whether the link has ended, or is not taken any more: a fresh one may be. */
  get linkEnded(): boolean {
    return this.status === 403 || (this.status === 400 && /expired/i.test(this.code));
  }
}

interface Sending {
  method: "POST" | "PUT";
  url: string;
  body: Blob | FormData;
  signal: AbortSignal;
  /** Bytes of the body that have left so far. */
  onSent: (bytes: number) => void;
}

// Without a byte for so long, the connection is taken for broken: browsers wait for ever.
const patience = 60_000;

/** Sends a body and resolves when it has arrived. XMLHttpRequest tells how far it is, which fetch does not. */
export function send({ method, url, body, signal, onSent }: Sending): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const call = new XMLHttpRequest();
    let stalled = 0;
    const watch = () => {
      window.clearTimeout(stalled);
      stalled = window.setTimeout(() => call.abort(), patience);
    };
    const abort = () => call.abort();
    const end = (error?: unknown) => {
      window.clearTimeout(stalled);
      signal.removeEventListener("abort", abort);
      if (error === undefined) resolve();
      else reject(error as Error);
    };
    signal.addEventListener("abort", abort);
    call.open(method, url);
    call.upload.onprogress = (event) => {
      watch();
      onSent(event.loaded);
    };
    call.onload = () => {
      if (call.status >= 200 && call.status < 300) return end();
      end(new SendError(call.status, /<Code>([^<]*)<\/Code>/.exec(call.responseText)?.[1]));
    };
    call.onerror = () => end(new SendError(0));
    call.onabort = () => end(signal.aborted ? signal.reason : new SendError(0));
    watch();
    call.send(body);
  });
}

/** The form that sends a file by one POST. Its fields go first: what follows the file is not read. */
export function formOf(fields: Record<string, string>, file: File): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", file);
  return form;
}

/** Waits, unless the signal ends it. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop);
  });
}

/** Seconds before the nth attempt in a row, from 1: 1, 2, 4 … at most 30. */
export const backoff = (attempt: number) => Math.min(30, 2 ** (attempt - 1)) * 1000;

/** How many attempts at one piece in a row are made before the transfer stops and asks. */
export const mostAttempts = 7;
