/**
 * The manifests behind a URL: one pod or a list of pods, asked for from time to time. Where none can be had, or what is answered cannot be used,
 * the pods that were read before stay.
 *
 * Source: upstream `pkg/kubelet/config/http.go`.
 */
import type { Logger } from 'pino';
import type { Pod } from '#api/types.generated.ts';
import { type Clock, sleep } from '#client/clock.ts';
import { maxManifestBytes, type PodManifests } from './pod-manifests.ts';
import { asStaticPod } from './static-pod.ts';

/** What a server answered. */
export interface ManifestAnswer {
  status: number;
  /** `404 Not Found`. */
  statusText: string;
  body: Uint8Array;
}

/** Asks for a URL. @throws Error when there is no answer within ten seconds, or one that is larger than `maxBytes` */
export type AskForManifests = (
  url: string,
  headers: Readonly<Record<string, readonly string[]>>,
  maxBytes: number,
  signal: AbortSignal,
) => Promise<ManifestAnswer>;

/** What {@link UrlSource} works with. */
export interface UrlSourceDeps {
  ask: AskForManifests;
  manifests: PodManifests;
  clock: Clock;
  log: Logger;
  /** Told of all pods when the answer is another one. */
  found(pods: readonly Pod[]): void;
}

/** What is asked for, and how often. */
export interface UrlSourceOptions {
  url: string;
  headers: Readonly<Record<string, readonly string[]>>;
  nodeName: string;
  everyMs: number;
}

/** Nobody needs the same failure three times a minute. */
const loudFailures = 3;

/** Asks until it is told to stop. */
export class UrlSource {
  readonly #deps: UrlSourceDeps;
  readonly #options: UrlSourceOptions;
  #last: Buffer | undefined;
  #failures = 0;

  constructor(deps: UrlSourceDeps, options: UrlSourceOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Settles when `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    while (!signal.aborted) {
      try {
        await this.#read(signal);
        if (this.#failures > 0) log.info('Successfully read pods from URL');
        this.#failures = 0;
      } catch (error) {
        const level = this.#failures++ < loudFailures ? 'warn' : 'debug';
        if (!signal.aborted) log[level]({ err: error, url: this.#options.url }, 'Failed to read pods from URL');
      }
      await sleep(clock, this.#options.everyMs, signal);
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { ask, manifests, found } = this.#deps;
    const { url, headers, nodeName } = this.#options;
    const { status, statusText, body } = await ask(url, headers, maxManifestBytes, signal);
    if (status !== 200) throw new Error(`${url}: ${statusText}`);
    if (body.length === 0) {
      found([]);
      throw new Error(`zero-length data received from ${url}`);
    }
    if (this.#last?.equals(body) === true) return;
    // As upstream: what cannot be used is not looked at again until it is another answer.
    this.#last = Buffer.from(body);
    found(manifests.readAll(body, url, (pod) => asStaticPod(pod, { source: 'http', location: url, nodeName })));
  }
}

const answerMs = 10_000;

/** Asks with `fetch`. */
export const askForManifests: AskForManifests = async (url, headers, maxBytes, signal) => {
  const sent = Object.entries(headers).flatMap(([name, values]) => values.map((value): [string, string] => [name, value]));
  const response = await fetch(url, { headers: sent, signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]) });
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`${url}: its answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return { status: response.status, statusText: `${response.status} ${response.statusText}`, body: Buffer.concat(chunks) };
};
