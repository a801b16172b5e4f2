/**
 * The objects that parameterize a policy.
 *
 * Source: apiserver `pkg/admission/plugin/policy/generic/policy_dispatcher.go` (CollectParams).
 */
import type { KubeObject } from '#api/meta.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { selectsLabels } from '#api/selector.ts';
import { ApiError } from '#api/status.ts';
import type { ParamKind, ParamRef } from '#api/types.generated.ts';
import type { AdmissionContext } from '../plugin.ts';

/** Policy, binding and request do not fit together; the policy's `failurePolicy` says what follows. */
export class PolicyConfigurationError extends Error {
  override name = 'PolicyConfigurationError';
}

/** As a configuration error, if it is an answer. @throws whatever else it is */
export function asConfigurationError(error: unknown): PolicyConfigurationError {
  if (error instanceof PolicyConfigurationError) return error;
  if (error instanceof ApiError) return new PolicyConfigurationError(error.message);
  throw error;
}

/** The row of the parameters; undefined: the policy has none. @throws PolicyConfigurationError when there is no such kind */
export function paramResource(paramKind: ParamKind | undefined, catalog: ResourceCatalog | undefined): Resource | undefined {
  if (paramKind === undefined) return undefined;
  const { apiVersion = '', kind = '' } = paramKind;
  const slash = apiVersion.indexOf('/');
  const [group, version] = slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
  const rows = catalog?.all() ?? [];
  const found = rows.find((row) => row.kind === kind && row.group === group && row.version === version);
  if (found !== undefined) return found;
  throw new PolicyConfigurationError(`failed to find resource referenced by paramKind: '${group}/${version}, Kind=${kind}'`);
}

/**
 * Each of them is one evaluation of the policy; null is an evaluation without parameters. Empty: there are none, and none are needed.
 * @param resource of the parameters @param namespace of the request @throws PolicyConfigurationError
 */
export async function paramsOf(
  resource: Resource | undefined,
  paramRef: ParamRef | undefined,
  namespace: string,
  context: Pick<AdmissionContext, 'read' | 'list'>,
): Promise<readonly (KubeObject | null)[]> {
  if (resource === undefined || paramRef === undefined) return [null];
  const { name = '', namespace: own = '', selector, parameterNotFoundAction } = paramRef;
  let from: string | undefined;
  if (resource.namespaced) {
    from = own === '' ? namespace : own;
    if (from === '')
      throw new PolicyConfigurationError(
        'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
      );
  } else if (own !== '')
    throw new PolicyConfigurationError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
  const params = await find(resource, from, name, selector, context);
  if (params.length === 0 && parameterNotFoundAction === 'Deny')
    throw new PolicyConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction');
  return params;
}

async function find(
  resource: Resource,
  namespace: string | undefined,
  name: string,
  selector: ParamRef['selector'],
  { read, list }: Pick<AdmissionContext, 'read' | 'list'>,
): Promise<readonly KubeObject[]> {
  if (name !== '') {
    const param = await read(resource, namespace, name);
    return param === undefined ? [] : [param];
  }
  return (await list(resource, namespace)).filter(({ metadata }) => selectsLabels(selector, metadata.labels ?? {}));
}
