/**
 * Conversion of custom resources by a webhook.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/conversion/webhook_converter.go`; kubernetes.io, "Versions in CustomResourceDefinitions".
 */
import { randomUUID } from 'node:crypto';
import { errorText } from '#api/error-text.ts';
import { parseExact } from '#api/int64.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '#api/json.ts';
import { jsonBytesSteps } from '#api/json-steps.ts';
import type { KubeObject } from '#api/meta.ts';
import { type ApiError, unknownError } from '#api/status.ts';
import type { WebhookConversion } from '#api/types.generated.ts';
import { inTurns } from '#client/turns.ts';
import type { RequestContext } from '../registry/strategy.ts';
import { goType } from './go-type.ts';

/** How long a webhook may take, as upstream. */
const timeoutMs = 30_000;
/** Maximum number of objects in one ConversionReview request. */
const maxBatch = 200;
const knownVersions: ReadonlySet<string> = new Set(['v1', 'v1beta1']);

/** Calls a webhook; see `WebhookCaller.post`. */
export type PostToWebhook = (
  config: NonNullable<WebhookConversion['clientConfig']>,
  body: string,
  timeoutMs: number,
  context: Pick<RequestContext, 'read' | 'list'>,
) => Promise<string>;

/** What conversions need. */
export interface ConversionDeps {
  post: PostToWebhook;
  context: Pick<RequestContext, 'read' | 'list'>;
}

/**
 * Converts objects of one kind.
 * @param gvk of the objects as errors show it: `example.com/v1, Kind=Widget`
 * @returns as many objects, in the same order @throws ApiError 500 with upstream's text
 */
export async function convertByWebhook(
  { post, context }: ConversionDeps,
  { clientConfig, conversionReviewVersions }: WebhookConversion,
  objects: readonly KubeObject[],
  apiVersion: string,
): Promise<KubeObject[]> {
  const version = conversionReviewVersions.find((one) => knownVersions.has(one));
  if (version === undefined) throw unknownError('no supported conversion review versions');
  if (clientConfig === undefined) throw unknownError('the conversion webhook has no address');
  const converted: KubeObject[] = [];
  for (let at = 0; at < objects.length; at += maxBatch) {
    const batch = objects.slice(at, at + maxBatch);
    const fail = (why: string): ApiError => unknownError(`conversion webhook for ${gvkOf(batch[0] as KubeObject)} ${why}`);
    const uid = randomUUID();
    const review = {
      kind: 'ConversionReview',
      apiVersion: `apiextensions.k8s.io/${version}`,
      request: { uid, desiredAPIVersion: apiVersion, objects: batch },
      response: { uid: '', convertedObjects: null, result: { metadata: {} } },
    };
    let answer: JsonValue;
    try {
      const body = Buffer.from(await inTurns(jsonBytesSteps(review))).toString('utf8');
      answer = parseExact(await post(clientConfig, body, timeoutMs, context)) as JsonValue;
    } catch (error) {
      throw fail(`failed: ${errorText(error)}`);
    }
    const found = convertedObjects(answer, version, uid);
    if (typeof found === 'string') throw fail(`failed: ${found}`);
    if (found.length !== batch.length) throw fail(`returned ${found.length} objects, expected ${batch.length}`);
    for (const [index, object] of found.entries())
      converted.push(checked(batch[index] as KubeObject, object, apiVersion, index, batch.length === 1, fail));
  }
  return converted;
}

const gvkOf = ({ apiVersion, kind }: KubeObject): string => `${apiVersion}, Kind=${kind}`;

/** The objects of a review's response, or why there are none. */
function convertedObjects(review: JsonValue, version: string, uid: string): readonly JsonValue[] | string {
  const { kind = '', apiVersion = '', response } = isJsonObject(review) ? review : {};
  const wanted = `apiextensions.k8s.io/${version}`;
  // Upstream does not look at kind and uid of the older version.
  const isStrict = version === 'v1';
  if (isStrict && (kind !== 'ConversionReview' || apiVersion !== wanted))
    return `expected webhook response of ${wanted}, Kind=ConversionReview, got ${String(apiVersion)}, Kind=${String(kind)}`;
  if (!isJsonObject(response)) return 'no response provided';
  if (isStrict && response['uid'] !== uid)
    return `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(String(response['uid'] ?? ''))}`;
  const { status = '', message = '' } = isJsonObject(response['result']) ? response['result'] : {};
  if (status !== 'Success')
    return message === '' ? `response.result.status was '${String(status)}', not 'Success'` : String(message);
  const found = response['convertedObjects'] ?? [];
  return Array.isArray(found) ? found : 'response.convertedObjects is no list';
}

/** The converted object with the metadata of the original; only labels and annotations may be others. @throws what `fail` makes */
function checked(
  original: KubeObject,
  converted: JsonValue,
  apiVersion: string,
  index: number,
  isAlone: boolean,
  fail: (why: string) => ApiError,
): KubeObject {
  const which = isAlone ? 'object' : `converted object at index ${index}`;
  const invalid = (why: string): ApiError => fail(`returned invalid ${which}: ${why}`);
  if (!isJsonObject(converted)) throw invalid('it is no object');
  const { apiVersion: version = '', kind = '', metadata } = converted;
  if (version !== apiVersion) {
    const at = isAlone ? 'object at index 0' : which;
    throw fail(`returned invalid ${at}: invalid groupVersion (expected ${apiVersion}, received ${String(version)})`);
  }
  if (kind !== original.kind) {
    const at = isAlone ? 'object at index 0' : which;
    throw fail(`returned invalid ${at}: invalid kind (expected ${original.kind}, received ${String(kind)})`);
  }
  const meta = isJsonObject(metadata) ? metadata : {};
  for (const [field, title] of [
    ['name', 'name'],
    ['namespace', 'namespace'],
    ['uid', 'UID'],
  ] as const) {
    const [before, after] = [original.metadata[field] ?? '', meta[field] ?? ''];
    if (before !== after) throw invalid(`must have the same ${title}: ${before} != ${String(after)}`);
  }
  const wrongMeta = (why: string): ApiError =>
    fail(isAlone ? `returned invalid metadata: ${why}` : `returned invalid metadata in object at index ${index}: ${why}`);
  if (!isJsonObject(metadata)) throw wrongMeta('missing metadata in converted object');
  return {
    ...converted,
    metadata: keptMetadata(original.metadata as unknown as JsonObject, metadata, wrongMeta),
  } as unknown as KubeObject;
}

function keptMetadata(original: JsonObject, converted: JsonObject, wrong: (why: string) => ApiError): JsonObject {
  const kept = { ...original };
  for (const field of ['labels', 'annotations'] as const) {
    const texts = converted[field] ?? null;
    if (texts === null) {
      delete kept[field];
      continue;
    }
    if (!isJsonObject(texts)) throw wrong(`invalid metadata.${field} of type ${goType(texts)} in converted object`);
    for (const [key, value] of Object.entries(texts))
      if (typeof value !== 'string')
        throw wrong(`metadata.${field}[${key}] must be a string, but is ${goType(value ?? null)} in converted object`);
    kept[field] = texts;
  }
  return kept;
}
