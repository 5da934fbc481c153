import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import type { Plugin } from "vite";

/** The most that all scripts together may have, in bytes of Brotli, which is what browsers take. */
export const scriptLimit = 250_000;

// Below this the headers outweigh what is saved.
const worthwhile = 512;

/**
 * Leaves beside each asset what clients get that take br or gzip: an HTTP API does not compress, and the function need not do for each
 * request what can be done once. Returns the scripts' compressed bytes; too many are an error.
 */
export function compress(dir: string, limit = scriptLimit): number {
  let scripts = 0;
  for (const name of readdirSync(dir)) {
    const file = join(dir, name);
    const content = readFileSync(file);
    const br = brotliCompressSync(content, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
      },
    });
    if (extname(name) === ".js") scripts += br.length;
    if (content.length < worthwhile) continue;
    writeFileSync(`${file}.br`, br);
    writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
  }
  if (scripts > limit) {
    throw new Error(`The scripts have ${scripts} bytes compressed by Brotli, and ${limit} is the most that they may have.`);
  }
  return scripts;
}

/** The last step of the build: {@link compress} the assets. */
export function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle(options) {
      const bytes = compress(join(options.dir!, "assets"));
      this.info(`scripts: ${bytes} bytes by Brotli, of ${scriptLimit}`);
    },
  };
}
