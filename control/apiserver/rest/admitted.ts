/**
 * Admission of requests whose object is never stored itself: bindings, evictions, token requests, reviews, and connects.
 *
 * Source: apiserver `pkg/endpoints/handlers/create.go` (createHandler), `rest.go` (ConnectResource).
 */
import type { KubeObject } from '#api/meta.ts';
import type { AdmissionChain } from '../admission/chain.ts';
import type { AdmissionAttributes, AdmissionContext } from '../admission/plugin.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { WriteContext } from '../registry/write-request.ts';
import type { Exchange } from './exchange.ts';
import type { RequestInfo } from './request-info.ts';

/** The second half of an admission: the mutating plugins have run, the validating ones have not. */
export interface Admitted {
  /** Runs the validating plugins. @throws ApiError when a plugin refuses */
  validate(): Promise<void>;
}

/**
 * Runs the mutating plugins on a POST of `object`, which they may change.
 * @param resource what the URL names: of a subresource, the resource that has it
 * @throws ApiError when a plugin refuses
 */
export async function admitted(
  { parts: { admission }, info }: Pick<Exchange, 'parts' | 'info'>,
  resource: AdmissionAttributes['resource'],
  object: Pick<KubeObject, 'metadata' | 'kind'>,
  context: WriteContext,
): Promise<Admitted> {
  const { namespace, name, subresource } = info;
  const attributes: AdmissionAttributes = {
    operation: 'create',
    resource,
    kind: object.kind,
    subresource,
    namespace,
    name: name === '' ? (object.metadata?.name ?? '') : name,
    user: context.user,
    dryRun: context.dryRun,
    object: object as KubeObject,
    oldObject: undefined,
    options: undefined,
  };
  await admission.mutate(attributes, context);
  return { validate: () => admission.validate(attributes, context) };
}

/**
 * Runs the mutating and the validating plugins on a connect (exec, port-forward, proxy), which a kubelet, a pod or a service will answer.
 * @param options of the connect, with their type: `PodExecOptions`
 * @throws ApiError when a plugin refuses
 */
export async function admitConnect(
  admission: AdmissionChain,
  info: RequestInfo,
  options: { apiVersion: string; kind: string },
  user: UserInfo,
  context: AdmissionContext,
): Promise<void> {
  const { group, version, resource: plural, subresource, namespace, name } = info;
  const attributes: AdmissionAttributes = {
    operation: 'connect',
    resource: { group, version, plural },
    kind: options.kind,
    subresource,
    namespace,
    name,
    user,
    dryRun: false,
    object: undefined,
    oldObject: undefined,
    options,
  };
  await admission.mutate(attributes, context);
  await admission.validate(attributes, context);
}
