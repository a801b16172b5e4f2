/**
 * Keeps a certificate current: asks for the first one where there is none, and for the next one before the current ends, at 70 to 90 % of
 * its life (nodes that have joined together do not renew together).
 *
 * Source: client-go `util/certificate/certificate_manager.go`; kubernetes.io, Configure Certificate Rotation for the Kubelet.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { Logger } from 'pino';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { CertificateStore, StoredCertificate } from './certificate-store.ts';
import { requestCertificate, type WantedCertificate } from './request-certificate.ts';

/** What {@link CertificateManager} needs. */
export interface CertificateManagerDeps {
  store: CertificateStore;
  /** As whom the next certificate is asked for, each time. @param current absent: there is none that is valid */
  client(current: StoredCertificate | undefined): Client;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: Logger;
  /** Counts tries that failed. */
  failed(): void;
  /** Told how old a certificate has become, in seconds, when it is replaced. */
  rotated(ageSeconds: number): void;
}

/** Upstream's wait for one request. */
const requestMs = 15 * 60_000;
/** Waits after tries that failed: 2 s, doubled five times, a tenth more by chance; then every 32 s. */
const firstRetryMs = 2_000;
const lastRetryMs = 32_000;
const pauseMs = 1_000;
/** The wall clock may be set meanwhile. */
const lookMs = 3_600_000;

/** Keeps one certificate current while it runs. A request that fails is made again, with back-off. */
export class CertificateManager {
  readonly #deps: CertificateManagerDeps;
  readonly #wanted: WantedCertificate;
  readonly #listeners = new Set<() => void>();
  #current: StoredCertificate | undefined;
  #isForced: boolean;

  /** @param initial one from elsewhere, which is replaced at once where the store has none */
  constructor(deps: CertificateManagerDeps, wanted: WantedCertificate, initial?: StoredCertificate) {
    this.#deps = deps;
    this.#wanted = wanted;
    const stored = deps.store.current();
    this.#current = stored ?? initial;
    this.#isForced = stored === undefined;
  }

  /** Undefined: there is none yet, or it has ended. */
  current(): StoredCertificate | undefined {
    const current = this.#current;
    return current !== undefined && current.notAfterMs > this.#deps.clock.now() ? current : undefined;
  }

  /** `listener` is called after each change. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Renews until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    while (!signal.aborted) {
      const deadlineMs = this.#deadline();
      if (deadlineMs !== undefined)
        log.debug({ certificate: this.#wanted.commonName, deadline: new Date(deadlineMs) }, 'rotation');
      while (!signal.aborted && deadlineMs !== undefined && clock.now() < deadlineMs)
        await sleep(clock, Math.min(deadlineMs - clock.now(), lookMs), signal);
      for (
        let waitMs = firstRetryMs;
        !signal.aborted && !(await this.#rotate(signal));
        waitMs = Math.min(waitMs * 2, lastRetryMs)
      )
        await sleep(clock, waitMs * (1 + random() * 0.1), signal);
      // Where certificates are valid for seconds only, their next deadline may be over already.
      await sleep(clock, pauseMs, signal);
    }
  }

  /** When the next one is asked for. Undefined: at once. */
  #deadline(): number | undefined {
    const current = this.#current;
    if (this.#isForced || current === undefined || !satisfies(current, this.#wanted)) return undefined;
    return rotationDeadlineMs(current, this.#deps.random());
  }

  /** Whether there is a new certificate. */
  async #rotate(signal: AbortSignal): Promise<boolean> {
    const { store, clock, log } = this.#deps;
    const wanted = this.#wanted;
    const fields = { user: wanted.commonName, signer: wanted.signerName };
    try {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const waiting = (request: string): void =>
        log.info({ ...fields, request }, 'waiting until the certificate is approved and issued');
      const pem = await requestCertificate({ client: this.#deps.client(this.current()), clock, waiting }, wanted, privateKey, {
        isNamed: false,
        timeoutMs: requestMs,
        signal,
      });
      const previous = this.#current;
      this.#current = store.update(pem, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), clock.now());
      this.#isForced = false;
      if (previous !== undefined) this.#deps.rotated((clock.now() - previous.notBeforeMs) / 1000);
      log.info({ ...fields, expires: new Date(this.#current.notAfterMs) }, 'there is a new certificate');
      for (const listener of this.#listeners) listener();
      // What was issued may lack a name: another look at once would make one request after the other.
      if (!satisfies(this.#current, wanted)) log.warn(fields, 'the certificate does not say what was asked for');
      return satisfies(this.#current, wanted);
    } catch (error) {
      if (signal.aborted) return false;
      this.#deps.failed();
      log.warn({ ...fields, err: error }, 'there is no new certificate yet; trying again');
      return false;
    }
  }
}

/** 70 to 90 % of its life. @param random in [0, 1). Pure. */
export const rotationDeadlineMs = (
  { notBeforeMs, notAfterMs }: Pick<StoredCertificate, 'notBeforeMs' | 'notAfterMs'>,
  random: number,
): number => notBeforeMs + (notAfterMs - notBeforeMs) * (0.7 + 0.2 * random);

/** Whether it says all that is wanted. Pure. */
export function satisfies(current: StoredCertificate, wanted: WantedCertificate): boolean {
  const has = (present: readonly string[], names: readonly string[] = []): boolean =>
    names.every((name) => present.includes(name));
  return (
    current.commonName === wanted.commonName &&
    has(current.organizations, wanted.organizations) &&
    has(current.dnsNames, wanted.dnsNames) &&
    has(current.ipAddresses, wanted.ipAddresses)
  );
}
