/** AdmissionReviews: what is sent, and what an answer means. Source: apiserver `pkg/admission/plugin/webhook/{request,errors}`. */
import { errorText } from '#api/error-text.ts';
import { isJsonObject, type JsonValue } from '#api/json.ts';
import { ApiError, badRequest, failure } from '#api/status.ts';
import type { AdmissionRequest } from '../admission-request.ts';
import { WebhookCallError } from './webhook-call.ts';

/** What a webhook has decided. */
export interface Verdict {
  allowed: boolean;
  /** Its own account of a refusal. */
  status: Partial<ApiError['status']> | undefined;
  warnings: readonly string[];
  /** For the audit event, by keys of the webhook's own. */
  auditAnnotations: Readonly<Record<string, string>>;
  /** A JSON patch; undefined: nothing is to be changed. */
  patch: JsonValue | undefined;
}

/** The newest version of reviews that both sides know. @throws WebhookCallError */
export function reviewVersion(versions: readonly string[]): 'v1' | 'v1beta1' {
  const found = versions.find((version) => version === 'v1' || version === 'v1beta1');
  if (found === undefined)
    throw new WebhookCallError(
      'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)',
    );
  return found as 'v1' | 'v1beta1';
}

/** The review to send. @param version of admission.k8s.io, one that the webhook accepts */
export const reviewOf = (version: string, request: AdmissionRequest): object => ({
  kind: 'AdmissionReview',
  apiVersion: `admission.k8s.io/${version}`,
  request,
});

/** Reads an answer. @throws WebhookCallError with upstream's account of what is wrong with it */
export function readVerdict(text: string, version: 'v1' | 'v1beta1', uid: string, isMutating: boolean): Verdict {
  const wrong = (why: string): WebhookCallError => new WebhookCallError(`received invalid webhook response: ${why}`);
  const review = parsed(text);
  const response = isJsonObject(review) ? review['response'] : undefined;
  if (!isJsonObject(review) || !isJsonObject(response)) throw wrong('webhook response was absent');
  if (version === 'v1') {
    const { kind, apiVersion } = review;
    if (kind !== 'AdmissionReview' || apiVersion !== 'admission.k8s.io/v1')
      throw wrong(
        `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${nameOf(apiVersion)}, Kind=${nameOf(kind)}`,
      );
    if (response['uid'] !== uid)
      throw wrong(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(nameOf(response['uid']))}`);
  }
  const patch = typeof response['patch'] === 'string' && response['patch'] !== '' ? response['patch'] : undefined;
  const patchType = response['patchType'];
  if (!isMutating && patch !== undefined && version === 'v1') throw wrong('validating webhook may not return response.patch');
  if (!isMutating && patchType !== undefined && version === 'v1')
    throw wrong('validating webhook may not return response.patchType');
  if (isMutating && version === 'v1') {
    if (patch !== undefined && patchType === undefined) throw wrong('webhook returned response.patch but not response.patchType');
    if (patch === undefined && patchType !== undefined) throw wrong('webhook returned response.patchType but not response.patch');
    if (patchType === '') throw wrong('webhook returned invalid response.patchType of ""');
    if (patch !== undefined && patchType !== 'JSONPatch')
      throw new WebhookCallError(`unsupported patch type ${JSON.stringify(patchType)}`);
  }
  const { allowed, status, warnings, auditAnnotations } = response;
  return {
    allowed: allowed === true,
    status: isJsonObject(status) ? (status as Partial<ApiError['status']>) : undefined,
    warnings: Array.isArray(warnings) ? warnings.filter((warning) => typeof warning === 'string') : [],
    auditAnnotations: isJsonObject(auditAnnotations)
      ? Object.fromEntries(
          Object.entries(auditAnnotations).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])),
        )
      : {},
    patch: isMutating && patch !== undefined ? decodedPatch(patch) : undefined,
  };
}

const nameOf = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new WebhookCallError(`failed to call webhook: ${errorText(error)}`, { cause: error });
  }
}

function decodedPatch(base64: string): JsonValue {
  const undecodable = 'received undecodable patch in webhook response';
  let patch: JsonValue;
  try {
    patch = JSON.parse(Buffer.from(base64, 'base64').toString('utf8')) as JsonValue;
  } catch (error) {
    throw new WebhookCallError(`${undecodable}: ${errorText(error)}`, { cause: error });
  }
  if (!Array.isArray(patch)) throw new WebhookCallError(`${undecodable}: it is no list of operations`);
  return patch;
}

/** The refusal as clients get it: the webhook's status, with its name in front of the message. */
export function refusal(webhook: string, { status = {} }: Verdict): ApiError {
  const denied = `admission webhook ${JSON.stringify(webhook)} denied the request`;
  const why = nonEmpty(status.message) ?? nonEmpty(status.reason);
  const code = typeof status.code === 'number' && status.code >= 400 ? status.code : 400;
  const { status: failed } = failure(
    code,
    nonEmpty(status.reason) ?? '',
    why === undefined ? `${denied} without explanation` : `${denied}: ${why}`,
  );
  return new ApiError({ ...failed, ...(isJsonObject(status.details) ? { details: status.details } : {}) });
}

const nonEmpty = (text: unknown): string | undefined => (typeof text === 'string' && text !== '' ? text : undefined);

/** The answer to a dry run that would call a webhook with side effects. */
export const dryRunUnsupported = (webhook: string): ApiError =>
  badRequest(`admission webhook ${JSON.stringify(webhook)} does not support dry run`);
