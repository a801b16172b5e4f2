/** POST, PUT and PATCH of stored resources and of their `status`. */

import { type FieldValidation, strictDecodingText } from '#api/codec/json.ts';
import { type FieldError, required } from '#api/field-error.ts';
import { stringifyExact } from '#api/int64.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { jsonBytesSteps } from '#api/json-steps.ts';
import type { KubeObject, ObjectName } from '#api/meta.ts';
import { readQueryOptions } from '#api/query-options.ts';
import { badRequest, invalid, unsupportedMediaType } from '#api/status.ts';
import type { TransportResponse } from '#client/transport.ts';
import { inTurns } from '#client/turns.ts';
import { isLargeText } from '../cache/object-size.ts';
import { inlineBytes } from '../decoding/body-decoder.ts';
import type { DecodeJob } from '../decoding/decode-job.ts';
import type { PatchContentType } from '../patch/patch.ts';
import { type PatchFacts, refusePatched } from '../patch/patched-object.ts';
import type { UpdateRequest } from '../registry/write-request.ts';
import { type Exchange, respondWith, typeOf, writeContext } from './exchange.ts';
import { bodyFormat, mediaTypeOf } from './negotiation.ts';
import { type ExpectedType, notStrict, parseFieldValidation } from './request-body.ts';

const noBody = new Uint8Array();

/** POST of an object. @throws ApiError */
export async function handleCreate(exchange: Exchange): Promise<TransportResponse> {
  const { parts, request, info, resource } = exchange;
  const context = writeContext(exchange, 'CreateOptions');
  const object = await readOwn(exchange, 'CreateOptions');
  if (request.body !== undefined && info.namespace === '' && resource.namespaced) {
    throw badRequest('an empty namespace may not be set during creation');
  }
  return respondWith(exchange, 201, await parts.registry.create(resource, info.namespace, object, context));
}

/** PUT. @param subresource the part to update (`status`), of which the kind's strategy keeps only its fields; empty: the object itself */
export async function handleUpdate(exchange: Exchange, subresource: string): Promise<TransportResponse> {
  const { parts, info, resource } = exchange;
  const context = writeContext(exchange, 'UpdateOptions');
  const submitted = await readOwn(exchange, 'UpdateOptions');
  checkName(submitted, info);
  let isFirst = true;
  // The decoded body is changed by the update, so a retry after a conflict, which is rare, decodes it again.
  const transform = async (): Promise<KubeObject> => {
    if (!isFirst) return await readOwn(exchange, 'UpdateOptions');
    isFirst = false;
    return submitted;
  };
  const request = { transform, subresource, mode: subresource, returnsOwn: true } as const;
  const { object, created } = await parts.registry.update(resource, info, request, context);
  return respondWith(exchange, created ? 201 : 200, object);
}

/** Reads the body as an object of the exchange's resource. */
async function readOwn(exchange: Exchange, optionsKind: string): Promise<KubeObject> {
  const { parts, resource, request, info, warnings } = exchange;
  const { unstructured } = parts.catalog.kind(resource);
  const expected = typeOf(resource);
  if (unstructured === undefined) return await readObject(exchange, expected, optionsKind);
  const contentType = request.headers['content-type'];
  if (bodyFormat(contentType) === 'protobuf')
    throw unsupportedMediaType(
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml',
    );
  const validation = parseFieldValidation(info.query, optionsKind);
  // Strict errors name what the decoder and what the schema finds together.
  const lenient = validation === 'Ignore' ? validation : 'Warn';
  const job = { kind: 'object', body: request.body ?? noBody, contentType, expected, validation: lenient } as const;
  const { value, problems } = await parts.decoder.run(job);
  const object = value as KubeObject;
  (object as unknown as JsonObject)['metadata'] ??= {};
  const all = [...problems, ...unknownFields(unstructured.prune(object))];
  if (validation === 'Strict' && all.length > 0) throw notStrict(expected, all);
  if (validation === 'Warn') for (const problem of all) warnings.add(problem);
  return object;
}

const unknownFields = (paths: readonly string[]): string[] => paths.map((path) => `unknown field ${JSON.stringify(path)}`);

/** Reads the body as an object with metadata. */
export async function readObject(
  exchange: Omit<Exchange, 'resource'>,
  expected: ExpectedType,
  optionsKind: string,
): Promise<KubeObject> {
  const { request, info } = exchange;
  const validation = parseFieldValidation(info.query, optionsKind);
  const contentType = request.headers['content-type'];
  const job = { kind: 'object', body: request.body ?? noBody, contentType, expected, validation } as const;
  const object = (await decoded(exchange, job)) as JsonObject;
  object['metadata'] ??= {};
  exchange.annotations.requested(object as unknown as KubeObject);
  return object as unknown as KubeObject;
}

/** Runs a decoding job; the problems that it finds become `Warning:` headers. */
async function decoded({ parts, warnings }: Pick<Exchange, 'parts' | 'warnings'>, job: DecodeJob): Promise<unknown> {
  const { value, problems } = await parts.decoder.run(job);
  for (const problem of problems) warnings.add(problem);
  return value;
}

/** Checks that the object has the name and namespace of the URL. @throws ApiError 400 */
export function checkName({ metadata }: KubeObject, { name, namespace }: ObjectName): void {
  if ((namespace ?? '') !== '' && (metadata.namespace ?? '') !== '' && metadata.namespace !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  if ((metadata.name ?? '') === '') {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  }
  if (metadata.name !== name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
}

const patchTypes: readonly PatchContentType[] = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];
const strategicType = 'application/strategic-merge-patch+json';
const applyType = 'application/apply-patch+yaml';

/** PATCH. @param subresource as of {@link handleUpdate} */
export async function handlePatch(exchange: Exchange, subresource: string): Promise<TransportResponse> {
  const { parts, info, resource } = exchange;
  const request = await patchRequest(exchange, typeOf(resource), subresource, subresource);
  const { object, created } = await parts.registry.update(resource, info, request, writeContext(exchange, 'PatchOptions'));
  return respondWith(exchange, created ? 201 : 200, object);
}

/** The update that the patch in the body asks for. @throws ApiError 415 for an unknown patch type */
export async function patchRequest(
  exchange: Exchange,
  type: ExpectedType,
  subresource: string,
  mode: UpdateRequest['mode'],
): Promise<UpdateRequest> {
  const contentType = mediaTypeOf(exchange.request.headers['content-type']);
  if (contentType === applyType) return await applyRequest(exchange, type, subresource, mode);
  const { unstructured } = exchange.parts.catalog.kind(exchange.resource);
  // Nothing says how lists of custom resources are merged strategically. Their scale is a built-in kind, and refuses such patches, too.
  const known = unstructured === undefined ? patchTypes : patchTypes.filter((one) => one !== strategicType);
  const patchType = known.find((one) => one === contentType);
  if (patchType === undefined) {
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${[...known, applyType].join(', ')}`,
    );
  }
  if (readQueryOptions('PatchOptions', exchange.info.query).force !== undefined) {
    const problem: FieldError = {
      field: 'force',
      reason: 'FieldValueForbidden',
      message: 'Forbidden: may not be specified for non-apply patch',
    };
    throw invalid({ group: 'meta.k8s.io', name: 'PatchOptions' }, '', [problem]);
  }
  const body = exchange.request.body ?? noBody;
  const { value, problems } = await exchange.parts.decoder.run({ kind: 'patch', body, contentType: patchType });
  const isStrategic = patchType === strategicType;
  const facts = isStrategic ? { problems, strategic: Buffer.from(body).toString('utf8') } : { problems };
  return {
    subresource,
    mode,
    forceCreate: false,
    returnsOwn: true,
    transform: async (current, bytes) => {
      const stored = current as KubeObject;
      const request = { contentType: patchType, patch: value as JsonValue, current: stored, typeName: type.type };
      const object =
        body.length > inlineBytes || isLargeText(bytes)
          ? await patchedElsewhere(exchange, type, { body, contentType: patchType, stored, facts })
          : await decodedAsType(exchange, type, exchange.parts.patcher.patchObject(request), facts);
      checkName(object, exchange.info);
      return object;
    },
  };
}

/** The patched object, computed in the decoding thread, because the patch or the object is large. */
async function patchedElsewhere(
  exchange: Exchange,
  type: ExpectedType,
  {
    body,
    contentType,
    stored,
    facts,
  }: { body: Uint8Array; contentType: PatchContentType; stored: KubeObject; facts: PatchFacts },
): Promise<KubeObject> {
  const current = await inTurns(jsonBytesSteps(stored));
  return await decodedPatch(exchange, type, (validation) => ({
    kind: 'patching',
    body,
    current,
    contentType,
    type,
    validation,
    facts,
  }));
}

/**
 * Runs a job whose result is a patched object, and looks at fields that a custom resource's schema does not know.
 * @param job for this strictness
 */
async function decodedPatch(
  exchange: Exchange,
  type: ExpectedType,
  job: (validation: FieldValidation) => DecodeJob,
): Promise<KubeObject> {
  const validation = parseFieldValidation(exchange.info.query, 'PatchOptions');
  const { unstructured } = exchange.parts.catalog.kind(exchange.resource);
  if (unstructured === undefined || type.type !== exchange.resource.schema)
    return (await decoded(exchange, job(validation))) as KubeObject;
  const { value, problems } = await exchange.parts.decoder.run(job(validation === 'Ignore' ? validation : 'Warn'));
  const object = value as KubeObject;
  const text = validation === 'Strict' ? stringifyExact(object) : '';
  const all = [...problems, ...unknownFields(unstructured.prune(object))];
  if (validation === 'Strict' && all.length > 0) throw refusePatched(text, strictDecodingText(all));
  if (validation === 'Warn') for (const problem of all) exchange.warnings.add(problem);
  return object;
}

async function decodedAsType(exchange: Exchange, type: ExpectedType, raw: JsonObject, facts: PatchFacts): Promise<KubeObject> {
  const body = Buffer.from(stringifyExact(raw));
  return await decodedPatch(exchange, type, (validation) => ({ kind: 'patched', body, type, validation, facts }));
}

async function applyRequest(
  exchange: Exchange,
  type: ExpectedType,
  subresource: string,
  mode: UpdateRequest['mode'],
): Promise<UpdateRequest> {
  const { parts, request, info } = exchange;
  const { fieldManager, force = false } = readQueryOptions('PatchOptions', info.query);
  if (fieldManager === '') {
    throw invalid({ group: 'meta.k8s.io', name: 'PatchOptions' }, '', [required('fieldManager', 'is required for apply patch')]);
  }
  const validation = parseFieldValidation(info.query, 'PatchOptions');
  const body = request.body ?? noBody;
  const { value, problems } = await parts.decoder.run({ kind: 'configuration', body, type, namespace: info.namespace });
  const configuration = value as JsonObject;
  for (const problem of validation === 'Ignore' ? [] : problems) {
    const text = `error converting YAML to JSON: ${problem}`;
    if (validation === 'Strict') throw badRequest(`error strict decoding YAML: ${text}`);
    exchange.warnings.add(text);
  }
  const metadata = { ...(configuration['metadata'] as JsonObject | null | undefined) };
  const submitted = { ...configuration, metadata } as unknown as KubeObject;
  submitted.metadata.name ??= info.name;
  checkName(submitted, info);
  if (info.namespace !== '') submitted.metadata.namespace ??= info.namespace;
  const resetFields = parts.catalog.kind(exchange.resource).strategy.resetFields?.[subresource];
  const options = { typeName: type.type, fieldManager, force, subresource, resetFields, nowMs: parts.clock.now() };
  return {
    subresource,
    mode,
    forceCreate: subresource === '',
    fieldsTracked: true,
    returnsOwn: true,
    transform: async (live, bytes) => {
      const applied = submitted as unknown as JsonObject;
      if (body.length <= inlineBytes && !isLargeText(bytes))
        return await decodedAsType(exchange, type, parts.patcher.applyServerSide({ ...options, configuration: applied, live }), {
          problems: [],
        });
      const json = await inTurns(jsonBytesSteps(applied));
      const current = live === undefined ? undefined : await inTurns(jsonBytesSteps(live));
      return await decodedPatch(exchange, type, (strictness) => ({
        kind: 'applying',
        body: json,
        current,
        request: options,
        type,
        validation: strictness,
      }));
    },
  };
}
