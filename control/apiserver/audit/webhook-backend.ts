/**
 * `--audit-webhook-config-file`: events are posted in batches to a server outside the cluster.
 *
 *   take ──▶ queue ──(full batch, or the wait is over)──▶ batch ──▶ POST, up to five times ──▶ gone
 *
 * Source: apiserver `plugin/pkg/audit/webhook`, `plugin/pkg/audit/buffered`, `pkg/util/webhook` (DefaultRetryBackoffWithInitialDelay).
 */
import { errorText } from '#api/error-text.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { HttpTransportOptions } from '#client/http-transport.ts';
import { askOutside, type OutsideRequest } from '#client/outside-request.ts';
import type { AuditBackend, AuditMode, AuditMonitor, AuditRecord } from './audit-backend.ts';

/** The flags `--audit-webhook-…`. */
export interface AuditWebhookOptions {
  /** From the kubeconfig file: the URL of the batches. */
  config: Omit<HttpTransportOptions, 'clock' | 'tokenFile' | 'clientCertificate'>;
  mode: AuditMode;
  initialBackoffMs: number;
  /** The maximum number of events that wait or are being sent. */
  bufferSize: number;
  maxBatchSize: number;
  maxBatchWaitMs: number;
  throttle?: { qps: number; burst: number } | undefined;
  truncate?: { maxEventBytes: number; maxBatchBytes: number } | undefined;
}

/** Upstream's: five attempts in all. The delay grows by a factor of 1.5, with up to a fifth of jitter. */
const backoff = { factor: 1.5, jitter: 0.2, steps: 5 };
const requestTimeoutMs = 30_000;
/** The maximum number of batches that are sent in parallel. */
const maxUnderWay = 10;
/** The maximum size of all events that wait or are being sent. */
const maxWaitingBytes = 128 << 20;

/** What the backend needs. */
export interface AuditWebhookDeps {
  clock: Clock;
  random: () => number;
  monitor: AuditMonitor;
  ask?: typeof askOutside;
}

/** Posts events to a server outside the cluster. */
export class AuditWebhook implements AuditBackend {
  readonly #options: AuditWebhookOptions;
  readonly #deps: AuditWebhookDeps;
  readonly #ended = new AbortController();
  #queue: AuditRecord[] = [];
  #waitingBytes = 0;
  /** The number of events that wait or are being sent. */
  #events = 0;
  readonly #underWay = new Set<Promise<boolean>>();
  #cancelWait: (() => void) | undefined;
  /** Throttling: the number of batches that may be sent now, and when it was computed. */
  #tokens: number;
  #countedMs: number;

  constructor(options: AuditWebhookOptions, deps: AuditWebhookDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#tokens = options.throttle?.burst ?? 0;
    this.#countedMs = deps.clock.monotonic();
  }

  take(record: AuditRecord): boolean | Promise<boolean> {
    const { mode, bufferSize, maxBatchSize, maxBatchWaitMs } = this.#options;
    const bytes = record.json.length;
    if (this.#events >= bufferSize || this.#waitingBytes + bytes > maxWaitingBytes) {
      this.#deps.monitor.lost('buffered', 1, 'audit buffer queue blocked');
      return false;
    }
    this.#events++;
    this.#waitingBytes += bytes;
    if (mode !== 'batch') return this.#track([record], this.#send([record]));
    this.#queue.push(record);
    if (this.#queue.length >= maxBatchSize) this.#flush();
    else
      this.#cancelWait ??= this.#deps.clock.after(maxBatchWaitMs, () => {
        this.#cancelWait = undefined;
        this.#flush();
      });
    return true;
  }

  #flush(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    while (this.#queue.length > 0 && this.#underWay.size < maxUnderWay) {
      const batch = this.#batch();
      void this.#track(
        batch,
        this.#throttled().then(() => this.#send(batch)),
      ).then(() => {
        if (this.#queue.length >= this.#options.maxBatchSize || this.#ended.signal.aborted) this.#flush();
        else if (this.#queue.length > 0 && this.#cancelWait === undefined) this.#flush();
      });
    }
  }

  /** Takes the events of one batch off the queue. */
  #batch(): AuditRecord[] {
    const { maxBatchSize, truncate } = this.#options;
    const maxBytes = truncate?.maxBatchBytes ?? maxWaitingBytes;
    let bytes = 0;
    let count = 0;
    for (const { json } of this.#queue) {
      if (count === maxBatchSize || (count > 0 && bytes + json.length > maxBytes)) break;
      bytes += json.length;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #track(batch: readonly AuditRecord[], sending: Promise<boolean>): Promise<boolean> {
    const done = sending.finally(() => {
      this.#underWay.delete(done);
      this.#events -= batch.length;
      for (const { json } of batch) this.#waitingBytes -= json.length;
    });
    this.#underWay.add(done);
    return await done;
  }

  async #throttled(): Promise<void> {
    const { throttle } = this.#options;
    if (throttle === undefined) return;
    const { clock } = this.#deps;
    const nowMs = clock.monotonic();
    this.#tokens = Math.min(throttle.burst, this.#tokens + ((nowMs - this.#countedMs) / 1000) * throttle.qps);
    this.#countedMs = nowMs;
    this.#tokens -= 1;
    if (this.#tokens < 0) await sleep(clock, (-this.#tokens / throttle.qps) * 1000, this.#ended.signal);
  }

  /** Never rejects. */
  async #send(batch: readonly AuditRecord[]): Promise<boolean> {
    const { clock, random, monitor, ask = askOutside } = this.#deps;
    const { config, initialBackoffMs } = this.#options;
    const items = batch.map(({ json }) => json).join(',');
    const body = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${items}]}`;
    const { server, token, ca, cert, key, tlsServerName, insecureSkipTlsVerify } = config;
    const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    const tls = { ca, cert, key, tlsServerName, insecureSkipTlsVerify };
    const request: OutsideRequest = { url: server, method: 'POST', headers, body, timeoutMs: requestTimeoutMs, ...tls };
    let delayMs = initialBackoffMs;
    for (let step = 1; ; step++) {
      try {
        await ask(request);
        return true;
      } catch (error) {
        if (step === backoff.steps || this.#ended.signal.aborted) {
          monitor.lost('webhook', batch.length, errorText(error));
          return false;
        }
      }
      await sleep(clock, delayMs * (1 + backoff.jitter * random()), this.#ended.signal);
      delayMs *= backoff.factor;
    }
  }

  /** Sends the waiting events, with one attempt each. */
  async close(): Promise<void> {
    this.#ended.abort();
    this.#flush();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }
}
