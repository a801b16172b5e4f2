/**
 * Asks a webhook about something with a review object (TokenReview, SubjectAccessReview, ImageReview): the object is posted, and comes back
 * with its status filled in.
 *
 * Source: apiserver `pkg/util/webhook/webhook.go` (GenericWebhook, WithExponentialBackoff).
 */
import { isJsonObject, type JsonObject } from '#api/json.ts';
import { type Clock, sleep } from './clock.ts';
import type { HttpTransportOptions } from './http-transport.ts';
import { askOutside, OutsideError, type OutsideRequest } from './outside-request.ts';

/** Where the review goes, and what it says. */
export interface Review {
  /** From the kubeconfig file. Reviews are sent to exactly this URL, path included. */
  config: Omit<HttpTransportOptions, 'clock' | 'tokenFile' | 'clientCertificate'>;
  /** With `kind`, `apiVersion`, `spec` and an empty status. */
  object: { kind: string; apiVersion: string; [field: string]: unknown };
  /** Time limit of one attempt. Default: 30 s. */
  timeoutMs?: number;
  /** Before the second try. Default: 500 ms, upstream's. 0: there is no second try. */
  firstRetryMs?: number;
}

/** The dependencies of the webhook. */
export interface ReviewDeps {
  clock: Clock;
  random: () => number;
  /** Default: {@link askOutside}. */
  ask?: typeof askOutside;
}

/** Upstream's: five tries in all, 1.5 times as long a wait after each, and a fifth more by chance. */
const backoff = { firstMs: 500, factor: 1.5, jitter: 0.2, steps: 5 };

/** The status that the webhook gave. @throws OutsideError when the last of several tries has failed, or the answer is no such review */
export async function askReview(
  { config, object, timeoutMs, firstRetryMs = backoff.firstMs }: Review,
  { clock, random, ask = askOutside }: ReviewDeps,
): Promise<JsonObject> {
  const { token, ca, cert, key, tlsServerName, insecureSkipTlsVerify } = config;
  const request: OutsideRequest = {
    url: config.server,
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(object),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ca,
    cert,
    key,
    tlsServerName,
    insecureSkipTlsVerify,
  };
  let waitMs = firstRetryMs;
  for (let step = 1; ; step++) {
    try {
      return statusIn(await ask(request), object);
    } catch (error) {
      if (!(error instanceof OutsideError) || !error.mayRetry || step >= backoff.steps || waitMs === 0) throw error;
    }
    await sleep(clock, waitMs * (1 + random() * backoff.jitter));
    waitMs *= backoff.factor;
  }
}

/** @throws OutsideError where the answer is no review of this kind */
function statusIn(text: string, { kind, apiVersion }: Review['object']): JsonObject {
  let review: unknown;
  try {
    review = JSON.parse(text);
  } catch (error) {
    throw new OutsideError("the webhook's answer is not JSON", false, { cause: error });
  }
  if (!isJsonObject(review) || review['kind'] !== kind || review['apiVersion'] !== apiVersion)
    throw new OutsideError(`the webhook's answer is no ${kind} of ${apiVersion}`, false);
  const status = review['status'] ?? {};
  if (!isJsonObject(status)) throw new OutsideError("the webhook's answer has no status", false);
  return status;
}
