/** One request for a resource, as its handlers get it: what it asks, who asks, and the parts of the server that handlers use. */
import type { KubeObject } from '#api/meta.ts';
import { apiVersionOf } from '#api/meta.ts';
import type { Resource, Subresource } from '#api/resources.ts';
import type { Clock } from '#client/clock.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import { inTurns } from '#client/turns.ts';
import type { Store } from '#control/store/store.ts';
import type { AdmissionChain } from '../admission/chain.ts';
import type { AuditAnnotations } from '../audit/audit-annotations.ts';
import type { Authentication } from '../authentication/authentication.ts';
import type { ServiceAccountTokens } from '../authentication/service-account-tokens.ts';
import type { Authorizer } from '../authorization/authorization.ts';
import type { CacheFeed } from '../cache/cache-feed.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import type { KindCatalog, ServedKind } from '../catalog.ts';
import type { BodyDecoder } from '../decoding/body-decoder.ts';
import type { ObjectPatcher } from '../patch/patch.ts';
import { type Connect, connectVerbs } from '../proxy/connect.ts';
import type { Registry } from '../registry/registry.ts';
import type { Strategy, UserInfo } from '../registry/strategy.ts';
import type { WriteContext } from '../registry/write-request.ts';
import type { ServerLog } from '../serving/server-log.ts';
import type { WarningRecorder } from '../serving/warnings.ts';
import type { JoinedFrames } from './joined-frames.ts';
import { type Accepted, type Conversion, contentTypeOf } from './negotiation.ts';
import { type ExpectedType, parseDryRun, parseFieldManager } from './request-body.ts';
import type { RequestInfo } from './request-info.ts';
import { bytesResponse } from './responses.ts';
import { parseIncludeObject, toPartialMetadata, toTable } from './table.ts';
import { encodeAny, encodeAnySteps, encodeObject, encodeObjectSteps } from './wire.ts';

/** The parts of the server that handlers use. */
export interface Parts {
  store: Store;
  clock: Clock;
  log: ServerLog;
  feed: CacheFeed;
  catalog: KindCatalog<RestKind>;
  registry: Registry;
  patcher: ObjectPatcher;
  joined: JoinedFrames;
  decoder: BodyDecoder;
  authorizer: Authorizer;
  admission: AdmissionChain;
  random: () => number;
  decode(prefix: string, value: Uint8Array): KubeObject;
  tokens: ServiceAccountTokens | undefined;
  authentication: Authentication;
}

/** A request that has been routed to a resource. */
export interface Exchange {
  parts: Parts;
  request: TransportRequest;
  info: RequestInfo;
  user: UserInfo;
  resource: Resource;
  accepted: Accepted;
  pretty: boolean;
  /** Texts for `Warning:` headers. */
  warnings: WarningRecorder;
  /** For the audit event. */
  annotations: AuditAnnotations;
  /**
   * Aborts when the client leaves, the server shuts down, or the kind is no longer served. Made when it is asked for: most requests need
   * none, and a signal that follows others is costly.
   */
  signal(): AbortSignal;
}

/** Answers one verb of a subresource. @throws ApiError */
export type SubresourceHandler = (exchange: Exchange) => Promise<TransportResponse>;

/** One subresource, as the kind's room declares it. Routes, discovery and OpenAPI follow from it. */
export interface ServedSubresource {
  /** The kind of its bodies. Absent: the kind that has the subresource, as for `status`. */
  carries?: { group: string; version: string; kind: string };
  /** The handler of each verb; other verbs get 405. */
  handlers?: Readonly<Partial<Record<'create' | 'delete' | 'get' | 'patch' | 'update', SubresourceHandler>>>;
  /** Instead of handlers: the request is passed on to a kubelet, a pod or a service. */
  connect?: Connect;
}

/** A kind that is not stored: its objects are found out at each request. */
export interface ComputedKind {
  /** All there are now, by name. @param namespace of a list; undefined: all */
  objects(namespace?: string): Promise<readonly KubeObject[]>;
  /** One of them, where finding all takes long. @throws ApiError 404 */
  object?(namespace: string | undefined, name: string): Promise<KubeObject>;
  /** The resource name in error messages. */
  singular: string;
}

/** A kind with its subresources: all that routes need. */
export interface RestKind extends ServedKind {
  /** By name: `status`, `scale`. Its row must list the same: see {@link subresourceRows}. */
  subresources?: Readonly<Record<string, ServedSubresource>>;
  /** Absent: it is stored. */
  computed?: ComputedKind;
}

/** The subresources as the kind's row lists them, for discovery and OpenAPI. Pure. */
export function subresourceRows(
  { group, version, kind }: Pick<Resource, 'group' | 'version' | 'kind'>,
  subresources: Readonly<Record<string, ServedSubresource>>,
): Subresource[] {
  return Object.keys(subresources)
    .sort()
    .flatMap((name) => {
      const { carries = { group, version, kind }, handlers = {}, connect } = subresources[name] ?? {};
      return [{ name, ...carries, verbs: connect === undefined ? Object.keys(handlers).sort() : connectVerbs(connect) }];
    });
}

/** Whether an answer can be converted so: Table and PartialObjectMetadata are offered for every resource, but Table not as protobuf. */
export function allowsConversion({ kind, group, version }: Conversion, format: string): boolean {
  if (group !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) return false;
  if (kind === 'Table') return format !== 'protobuf';
  return kind === 'PartialObjectMetadata' || kind === 'PartialObjectMetadataList';
}

/** The type that bodies of the resource must have. */
export const typeOf = (resource: Resource): ExpectedType => ({
  apiVersion: apiVersionOf(resource.group, resource.version),
  kind: resource.kind,
  type: resource.schema,
});

/**
 * Who writes and how, as the registry and admission need it.
 * @param optionsKind the options object that upstream names in errors: `CreateOptions`
 */
export function writeContext(exchange: Omit<Exchange, 'resource'>, optionsKind: string, dryRun?: boolean): WriteContext {
  const { parts, request, info, user } = exchange;
  return {
    user,
    clock: parts.clock,
    warn: (message) => exchange.warnings.add(message),
    annotate: (key, value, isContent) => exchange.annotations.add(key, value, isContent),
    read: (resource, namespace, name) => parts.registry.read(resource, namespace, name),
    list: (resource, namespace) => parts.registry.list(resource, namespace),
    fieldManager: parseFieldManager(info.query, request.headers['user-agent'], optionsKind),
    dryRun: dryRun ?? parseDryRun(info.query.getAll('dryRun'), optionsKind),
  };
}

/** An answer: at once, or of a large object when it has been written in turns of the event loop. */
export type Answer = TransportResponse | Promise<TransportResponse>;

/** Answers with one object of the exchange's resource, in the shape that the client accepts. */
export function respondWith(exchange: Exchange, status: number, cached: CachedObject): Answer {
  return respondAs(exchange, status, cached, exchange.resource.schema, exchange.parts.registry.strategy(exchange.resource));
}

/** Like {@link respondWith}, for an object of another type, which may have columns of its own. */
export function respondAs(
  { accepted: { format, convert }, pretty, parts, info }: Exchange,
  status: number,
  cached: CachedObject,
  type: string,
  columns: Pick<Strategy, 'table'>,
): Answer {
  const options = { format, pretty };
  const answer = (bytes: Uint8Array): TransportResponse => bytesResponse(status, contentTypeOf(format), bytes);
  if (convert === undefined) {
    if (cached.isLarge) return inTurns(encodeObjectSteps(cached, type, options)).then(answer);
    return answer(encodeObject(cached, type, options));
  }
  const converted =
    convert.kind === 'Table'
      ? toTable(
          columns,
          [cached.object],
          { resourceVersion: cached.object.metadata.resourceVersion },
          { include: parseIncludeObject(info.query), headers: true, version: convert.version, nowMs: parts.clock.now() },
        )
      : toPartialMetadata(cached.object, convert.version);
  if (cached.isLarge) return inTurns(encodeAnySteps(converted, options)).then(answer);
  return answer(encodeAny(converted, options));
}
