/** One decoding, described as data, so that it can run in this thread or in the decoding thread. */

import type { FieldValidation } from '#api/codec/json.ts';
import { OversizeError } from '#api/codec/limits.ts';
import { errorText, toError } from '#api/error-text.ts';
import { parseExact, stringifyExact } from '#api/int64.ts';
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { ApiError, requestTooLarge } from '#api/status.ts';
import type { Status } from '#api/types.generated.ts';
import { type ConfigurationType, readConfiguration } from '../patch/applied-configuration.ts';
import { createObjectPatcher } from '../patch/object-patcher.ts';
import type { ApplyRequest, PatchContentType, TrackRequest } from '../patch/patch.ts';
import { decodePatch } from '../patch/patch-body.ts';
import { decodePatched, type PatchFacts } from '../patch/patched-object.ts';
import { decodeBody, type ExpectedType } from '../rest/request-body.ts';

/** What to decode. `body` is what the request sent, unless the kind says something else. */
export type DecodeJob =
  | { kind: 'object'; body: Uint8Array; contentType: string | undefined; expected: ExpectedType; validation: FieldValidation }
  | { kind: 'patch'; body: Uint8Array; contentType: PatchContentType }
  | { kind: 'configuration'; body: Uint8Array; type: ConfigurationType; namespace: string }
  /** `body` is a patched object as JSON: it is checked like the body of an update. */
  | { kind: 'patched'; body: Uint8Array; type: ExpectedType; validation: FieldValidation; facts: PatchFacts }
  | ObjectJob;

/** A job that needs the stored object: `current` is its JSON. */
type ObjectJob =
  /** `body` is the patch; the result is the patched object. */
  | {
      kind: 'patching';
      body: Uint8Array;
      current: Uint8Array<ArrayBuffer>;
      contentType: PatchContentType;
      type: ExpectedType;
      validation: FieldValidation;
      facts: PatchFacts;
    }
  /** `body` is the applied configuration as JSON; the result is the merged object. */
  | {
      kind: 'applying';
      body: Uint8Array;
      current: Uint8Array<ArrayBuffer> | undefined;
      request: Omit<ApplyRequest, 'configuration' | 'live'>;
      type: ExpectedType;
      validation: FieldValidation;
    }
  /** `body` is the object that is about to be stored, as JSON; the result is its new managedFields. */
  | {
      kind: 'tracking';
      body: Uint8Array;
      current: Uint8Array<ArrayBuffer> | undefined;
      request: Omit<TrackRequest, 'object' | 'live'>;
    };

/** A message to the thread, sent before a job when the types have changed: all types that are not built in (`addedTypes`). */
export interface TypesNotice {
  kind: 'types';
  text: string;
}

/** A message to the thread, sent before a job whose type has details (`addDetails`) that it does not have. */
export interface DetailsNotice {
  kind: 'details';
  typeName: string;
  /** As JSON; undefined: there are none any more. */
  source: string | undefined;
}

/** The type whose fields a job looks at; undefined: it looks at none. */
export function typeOfJob(job: DecodeJob): string | undefined {
  switch (job.kind) {
    case 'configuration':
      return job.type.type;
    case 'applying':
    case 'tracking':
      return job.request.typeName;
    case 'object':
    case 'patch':
    case 'patched':
    case 'patching':
      return undefined;
  }
}

/** What a job gave. */
export interface DecodeResult {
  value: unknown;
  /** For objects, texts of warnings; for patches and configurations, what strict decoding finds (a key that stands twice). */
  problems: string[];
}

/** How a result crosses from one thread to another: JSON is far cheaper than a structured clone. */
export type WireResult = { json: string; problems: string[] } | { status: Status } | { failure: string };

/** Runs a job in this thread. @throws ApiError 400, 413, 415, 422 */
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
      return { value: decodePatched(textOf(job.body), job.type, job.validation, job.facts, warn), problems };
    case 'patching': {
      const { patch } = decodePatch(job.body, job.contentType);
      const current = parseExact(textOf(job.current)) as KubeObject;
      const raw = patcher.patchObject({ contentType: job.contentType, patch, current, typeName: job.type.type });
      return { value: decodePatched(stringifyExact(raw), job.type, job.validation, job.facts, warn), problems };
    }
    case 'applying': {
      const configuration = parseExact(textOf(job.body)) as JsonObject;
      const raw = patcher.applyServerSide({ ...job.request, configuration, live: objectOf(job.current) });
      return { value: decodePatched(stringifyExact(raw), job.type, job.validation, { problems: [] }, warn), problems };
    }
    case 'tracking': {
      const object = parseExact(textOf(job.body)) as KubeObject;
      patcher.trackManagedFields({ ...job.request, object, live: objectOf(job.current) });
      return { value: object.metadata.managedFields ?? null, problems };
    }
  }
}

const patcher = createObjectPatcher();

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');

const objectOf = (bytes: Uint8Array | undefined): KubeObject | undefined =>
  bytes === undefined ? undefined : (parseExact(textOf(bytes)) as KubeObject);

/** Runs a job; its result or its error in a form that can be sent to another thread. Never throws. */
export function toWire(job: DecodeJob): WireResult {
  try {
    const { value, problems } = runDecodeJob(job);
    return { json: stringifyExact(value), problems };
  } catch (error) {
    if (error instanceof ApiError) return { status: error.status };
    return { failure: toError(error).stack ?? errorText(error) };
  }
}
