/** The decoding of one body, as data: it can run in this thread or in another one. */

import type { FieldValidation } from '#api/codec/json.ts';
import { OversizeError } from '#api/codec/limits.ts';
import { stringifyExact } from '#api/int64.ts';
import { ApiError, requestTooLarge } from '#api/status.ts';
import type { Status } from '#api/types.generated.ts';
import { type ConfigurationType, readConfiguration } from '../patch/applied-configuration.ts';
import type { PatchContentType } from '../patch/patch.ts';
import { decodePatch } from '../patch/patch-body.ts';
import { decodePatched, type PatchFacts } from '../patch/patched-object.ts';
import { decodeBody, type ExpectedType } from '../rest/request-body.ts';

export type DecodeJob =
  | { kind: 'object'; body: Uint8Array; contentType: string | undefined; expected: ExpectedType; validation: FieldValidation }
  | { kind: 'patch'; body: Uint8Array; contentType: PatchContentType }
  | { kind: 'configuration'; body: Uint8Array; type: ConfigurationType; namespace: string }
  /** What came out of a patch, as JSON. */
  | { kind: 'patched'; body: Uint8Array; type: ExpectedType; validation: FieldValidation; facts: PatchFacts };

export interface DecodeResult {
  value: unknown;
  /** Warnings, or for patches and configurations what strict decoding says. */
  problems: string[];
}

/** How a result crosses from one thread to another: JSON is far cheaper than a structured clone. */
export type WireResult = { json: string; problems: string[] } | { status: Status } | { failure: string };

/** @throws ApiError 400, 413, 415, 422 */
export function runDecodeJob(job: DecodeJob): DecodeResult {
  try {
    return decoded(job);
  } catch (error) {
    if (error instanceof OversizeError) throw requestTooLarge(`Request entity too large: ${error.message}`);
    throw error;
  }
}

function decoded(job: DecodeJob): DecodeResult {
  const problems: string[] = [];
  const warn = (message: string): void => void problems.push(message);
  switch (job.kind) {
    case 'object':
      return { value: decodeBody(job.body, job.contentType, job.expected, job.validation, warn), problems };
    case 'patch': {
      const { patch, problems: found } = decodePatch(job.body, job.contentType);
      return { value: patch, problems: found };
    }
    case 'configuration': {
      const { configuration, problems: found } = readConfiguration(job.body, job.type, job.namespace);
      return { value: configuration, problems: found };
    }
    case 'patched':
      return {
        value: decodePatched(Buffer.from(job.body).toString('utf8'), job.type, job.validation, job.facts, warn),
        problems,
      };
  }
}

export function toWire(job: DecodeJob): WireResult {
  try {
    const { value, problems } = runDecodeJob(job);
    return { json: stringifyExact(value), problems };
  } catch (error) {
    if (error instanceof ApiError) return { status: error.status };
    return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
