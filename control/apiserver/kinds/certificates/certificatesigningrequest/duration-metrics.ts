/**
 * Whether signers give certificates the life that was asked for, under upstream's names.
 *
 * Source: kubernetes `pkg/registry/certificates/certificates/storage/metrics.go`.
 */
import { X509Certificate } from 'node:crypto';
import { Counter, type Metric } from 'prom-client';
import type { CertificateSigningRequest } from '#api/types.generated.ts';

const own = 'kubernetes.io/';
const of = 'sliced by signer (only kubernetes.io signer names are specifically identified)';

/** Counts certificates of requests that ask for a life, as they are issued. */
export class CertificateDurationMetrics {
  readonly all: readonly Metric[];
  readonly #requested = counter('csr_requested_duration_total', `Total number of issued CSRs with a requested duration, ${of}`);
  readonly #honored = counter(
    'csr_honored_duration_total',
    `Total number of issued CSRs with a requested duration that was honored, ${of}`,
  );

  constructor() {
    this.all = [this.#requested, this.#honored];
  }

  /** Looks at an update that has been stored. */
  written({ status }: CertificateSigningRequest, old: CertificateSigningRequest): void {
    const { expirationSeconds, signerName } = old.spec;
    const certificate = status?.certificate ?? '';
    if ((old.status?.certificate ?? '') !== '' || expirationSeconds === undefined || certificate === '') return;
    const labels = { signerName: signerName.startsWith(own) ? signerName : 'other' };
    this.#requested.inc(labels);
    if (isHonored(expirationSeconds * 1000, lifeMsOf(certificate))) this.#honored.inc(labels);
  }
}

/** So much less or more is the same: what a short life loses to clocks that differ, and 5 %. */
const isHonored = (wantedMs: number, lifeMs: number): boolean => Math.abs(wantedMs - lifeMs) < 5 * 60_000 + wantedMs / 20;

/** @param certificate PEM in base64, which validation has found good */
function lifeMsOf(certificate: string): number {
  const { validFrom, validTo } = new X509Certificate(Buffer.from(certificate, 'base64'));
  return Date.parse(validTo) - Date.parse(validFrom);
}

const counter = (name: string, help: string): Counter<'signerName'> =>
  new Counter({ name: `apiserver_certificates_registry_${name}`, help, labelNames: ['signerName'], registers: [] });
