/**
 * `POST serviceaccounts/<name>/token`: a new token for a service account.
 *
 * Source: kubernetes `pkg/registry/core/serviceaccount/storage/token.go`.
 */
import { invalidValue } from '#api/field-error.ts';
import type { JsonObject } from '#api/json.ts';
import { rfc3339 } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import { badRequest, conflict, internalError, invalid, notFound } from '#api/status.ts';
import type { BoundObjectReference, Pod, TokenRequest } from '#api/types.generated.ts';
import type { TransportResponse } from '#client/transport.ts';
import type { KubernetesClaims } from '../../../authentication/service-account-tokens.ts';
import { admitted } from '../../../rest/admitted.ts';
import { type Exchange, writeContext } from '../../../rest/exchange.ts';
import { objectResponse } from '../../../rest/responses.ts';
import { readObject } from '../../../rest/write-handlers.ts';

/**
 * The lifetime that the kubelet requests for pods. Such a token is valid for a year, but clients are expected to rotate it after an hour.
 */
const warnOnlySeconds = 3607;
const extendedSeconds = 24 * 365 * 3600;
const defaultSeconds = 3600;
const kind = { group: 'authentication.k8s.io', name: 'TokenRequest' };

/**
 * POST to `serviceaccounts/<name>/token`: issues a token, bound to the object that the request names. @throws ApiError 404, 409,
 * 422; 500 without a signing key
 */
export async function handleTokenRequest(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, accepted, pretty } = exchange;
  const { tokens } = parts;
  if (tokens === undefined) throw internalError('this API server has no service-account signing key');
  const expected = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', type: 'authentication/v1.TokenRequest' };
  const request = (await readObject(exchange, expected, 'CreateOptions')) as unknown as TokenRequest;
  const context = writeContext(exchange, 'CreateOptions');
  const admission = await admitted(exchange, exchange.resource, request, context);
  checkNames(request, info.name, info.namespace);
  const account = (await parts.registry.get(parts.registry.resource('serviceaccounts'), info)).object;
  const audiences = (request.spec?.audiences ?? []).length > 0 ? (request.spec.audiences ?? []) : tokens.options.audiences;
  const asked = request.spec?.expirationSeconds ?? defaultSeconds;
  if ((request.metadata.uid ?? '') !== '' && request.metadata.uid !== account.metadata.uid) {
    throw conflict(
      kind,
      info.name,
      `the UID in the token request (${request.metadata.uid}) does not match the UID of the service account (${account.metadata.uid})`,
    );
  }
  checkLifetime(asked);
  await admission.validate();
  const claims: KubernetesClaims = {
    namespace: info.namespace,
    serviceaccount: { name: info.name, uid: account.metadata.uid },
    ...(await boundClaims(exchange, request.spec.boundObjectRef)),
  };
  const { maxExpirationSeconds: most = 0, extendExpiration = true } = tokens.options;
  const seconds = most > 0 ? Math.min(asked, most) : asked;
  if (seconds < asked) exchange.warnings.add(`requested expiration of ${asked} seconds shortened to ${seconds} seconds`);
  const nowMs = parts.clock.now();
  const extended =
    extendExpiration &&
    claims.pod !== undefined &&
    seconds === warnOnlySeconds &&
    audiences.every((one) => tokens.options.audiences.includes(one));
  if (extended) claims.warnafter = Math.floor(nowMs / 1000) + seconds;
  const token = await tokens.issue(claims, audiences, extended ? extendedSeconds : seconds);
  const { name, namespace, uid } = account.metadata;
  const answer = {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name, namespace, uid, creationTimestamp: rfc3339(nowMs) },
    spec: { ...request.spec, audiences, expirationSeconds: seconds },
    status: { token, expirationTimestamp: rfc3339(nowMs + seconds * 1000) },
  };
  return objectResponse(201, answer as unknown as JsonObject, accepted.format, pretty);
}

/** @throws ApiError 422 when the request's name or namespace differs from the URL */
function checkNames({ metadata }: TokenRequest, name: string, namespace: string): void {
  if ((metadata.name ?? '') !== '' && metadata.name !== name)
    throw invalid(kind, name, [invalidValue('metadata.name', metadata.name, 'must match the service account name if specified')]);
  if ((metadata.namespace ?? '') !== '' && metadata.namespace !== namespace) {
    const why = 'must match the service account namespace if specified';
    throw invalid(kind, name, [invalidValue('metadata.namespace', metadata.namespace, why)]);
  }
}

/** @throws ApiError 422 */
function checkLifetime(seconds: number): void {
  const fail = (why: string): never => {
    throw invalid(kind, '', [invalidValue('spec.expirationSeconds', seconds, `may not specify a duration ${why}`)]);
  };
  if (seconds < 600) fail('less than 10 minutes');
  if (seconds > 2 ** 32) fail('larger than 2^32 seconds');
}

const bindable = new Map<string, ResourceId>([
  ['Pod', 'pods'],
  ['Node', 'nodes'],
  ['Secret', 'secrets'],
]);

function groupVersionOf(apiVersion: string): { group: string; version: string } {
  const [group = '', version] = apiVersion.split('/');
  return version === undefined ? { group: '', version: group } : { group, version };
}

async function boundClaims(exchange: Exchange, bound: BoundObjectReference | undefined): Promise<Partial<KubernetesClaims>> {
  if (bound === undefined) return {};
  const { parts, info } = exchange;
  const { group, version } = groupVersionOf(bound.apiVersion ?? '');
  const id = group === '' ? bindable.get(bound.kind ?? '') : undefined;
  if (id === undefined) throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${bound.kind ?? ''}`);
  const namespace = id === 'nodes' ? undefined : info.namespace;
  const object = await parts.registry.read(id, namespace, bound.name ?? '');
  if (object === undefined) throw notFound({ group: '', name: id }, bound.name ?? '');
  const { uid, name } = object.metadata;
  if ((bound.uid ?? '') !== '' && bound.uid !== uid) {
    throw conflict(
      { group: '', name: bound.kind ?? '' },
      name,
      `the UID in the bound object reference (${bound.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  if (id === 'secrets') return { secret: { name, uid } };
  if (id === 'nodes') return { node: { name, uid } };
  const { spec } = object as Pod;
  if (spec?.serviceAccountName !== info.name) {
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(info.name)} to pod running with different serviceaccount name.`,
    );
  }
  const nodeName = spec?.nodeName ?? '';
  if (nodeName === '') return { pod: { name, uid } };
  const node = await parts.registry.read('nodes', undefined, nodeName);
  return { pod: { name, uid }, node: { name: nodeName, uid: node?.metadata.uid ?? '' } };
}
