/**
 * A configuration file that is read again when it changes. What cannot be used is told, and the one of before stays.
 *
 * Source: kubernetes `pkg/kubeapiserver/options/authentication.go` (the reload), `pkg/util/filesystem/watcher.go`.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { errorText } from '#api/error-text.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { ServerLog } from './server-log.ts';

/** How often it is looked at. */
const lookMs = 10_000;

/** A file of configuration that may change while the server runs; a bad version is told and the last good one stays. */
export class ConfigFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  #text: string | undefined;

  /** @param parse throws Error for what cannot be used @param text what is in use already */
  constructor(path: string, parse: (text: string) => T, text?: string) {
    this.#path = path;
    this.#parse = parse;
    this.#text = text;
  }

  /** As it was read last. */
  get text(): string | undefined {
    return this.#text;
  }

  /** @throws Error for what cannot be read or used */
  read(): T {
    this.#text = readFileSync(this.#path, 'utf8');
    return this.#parse(this.#text);
  }

  /**
   * Looks at the file until `signal` aborts. Never rejects.
   * @param apply puts it into use; false: that was not possible, and is tried again at the next look
   */
  async follow(
    apply: (value: T) => Promise<boolean>,
    { clock, log }: { clock: Clock; log: ServerLog },
    signal: AbortSignal,
  ): Promise<void> {
    const file = this.#path;
    while (!signal.aborted) {
      await sleep(clock, lookMs, signal);
      if (signal.aborted) return;
      try {
        const text = await readFile(file, 'utf8');
        if (text === this.#text) continue;
        const value = this.#use(text);
        if (await apply(value)) {
          this.#text = text;
          log.info({ file }, 'the configuration file has been read again');
        } else if (!signal.aborted)
          log.warn({ file }, 'the changed configuration cannot be put into use yet; the one of before stays');
      } catch (error) {
        log.warn({ file, reason: errorText(error) }, 'the changed configuration file cannot be used; the one of before stays');
      }
    }
  }

  /** Invalid text stays invalid, so its error is logged once. */
  #use(text: string): T {
    try {
      return this.#parse(text);
    } catch (error) {
      this.#text = text;
      throw error;
    }
  }
}
