/**
 * Who may name which parameters: a policy lets whoever it refuses learn something of its parameters, so nobody may have a policy read
 * what they may not read themselves.
 *
 * Source: kubernetes `pkg/registry/admissionregistration/{validatingadmissionpolicy,validatingadmissionpolicybinding}/authz.go`.
 */
import { type FieldError, forbiddenField } from '#api/field-error.ts';
import { type KubeObject, sameJson } from '#api/meta.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import { invalid } from '#api/status.ts';
import type { ParamKind, ParamRef } from '#api/types.generated.ts';
import { type Authorizer, isPrivileged } from '../../authorization/authorization.ts';
import type { RequestContext, UserInfo } from '../../registry/strategy.ts';

const group = 'admissionregistration.k8s.io';

interface Policy extends KubeObject {
  spec: { paramKind?: ParamKind | undefined };
}

interface Binding extends KubeObject {
  spec: { policyName?: string | undefined; paramRef?: ParamRef | undefined };
}

/** What the guard needs. */
export interface PolicyGuardDeps {
  authorizer: Authorizer;
  /** Which kinds there are, when it is asked. */
  catalog(): ResourceCatalog;
}

/** @throws (its methods) ApiError 422, as upstream, which asks among the checks of the object */
export class PolicyGuard {
  readonly #deps: PolicyGuardDeps;

  constructor(deps: PolicyGuardDeps) {
    this.#deps = deps;
  }

  /** @param problems what is wrong with the policy; then nobody is asked, for it is refused anyway */
  async checkPolicy(
    policy: Policy,
    old: Policy | undefined,
    { user }: Pick<RequestContext, 'user'>,
    problems: () => FieldError[],
  ): Promise<void> {
    const { paramKind } = policy.spec ?? {};
    if (paramKind === undefined || isPrivileged(user)) return;
    if (old?.spec.paramKind !== undefined && sameJson(old.spec.paramKind, paramKind)) return;
    if (problems().length > 0) return;
    const { group: apiGroup, version, resource } = this.#target(paramKind);
    if (await this.#may(user, { verb: 'get', group: apiGroup, version, resource, name: '*', namespace: '*' })) return;
    const { apiVersion = '', kind = '' } = paramKind;
    const why = `user ${userText(user)} must have "get" permission on all objects of the referenced paramKind (kind=${kind}, apiVersion=${apiVersion})`;
    throw refused(policy, forbiddenField('spec.paramKind', why));
  }

  /** @param policies the kind of the policies that such bindings name */
  async checkBinding(
    binding: Binding,
    old: Binding | undefined,
    policies:
      | 'validatingadmissionpolicies.admissionregistration.k8s.io'
      | 'mutatingadmissionpolicies.admissionregistration.k8s.io',
    { user, read }: Pick<RequestContext, 'user' | 'read'>,
    problems: () => FieldError[],
  ): Promise<void> {
    const { paramRef, policyName = '' } = binding.spec ?? {};
    if (paramRef === undefined || isPrivileged(user)) return;
    if (old?.spec.paramRef !== undefined && sameJson(old.spec.paramRef, paramRef) && old.spec.policyName === policyName) return;
    if (problems().length > 0) return;
    const policy = (await read(policies, undefined, policyName)) as Policy | undefined;
    const paramKind = policy?.spec.paramKind;
    const target = paramKind === undefined ? everything : this.#target(paramKind);
    const verb = (paramRef.name ?? '') === '' ? 'list' : 'get';
    const { name = '', namespace = '' } = paramRef;
    if (await this.#may(user, { verb, ...target, name, namespace })) return;
    throw refused(binding, forbiddenField('spec.paramRef', this.#whyNot(user, verb, policyName, policy, target)));
  }

  #whyNot(user: UserInfo, verb: string, policyName: string, policy: Policy | undefined, { resource }: Target): string {
    const lacks = `user ${userText(user)} does not have "${verb}" permission`;
    const all = `to determine minimum required permissions and ${lacks} for all groups, versions and resources`;
    if (policy === undefined) return `unable to get policy ${policyName} ${all}`;
    const { apiVersion = '', kind = '' } = policy.spec.paramKind ?? {};
    if (resource === '*' && policy.spec.paramKind !== undefined)
      return `unable to resolve paramKind ${apiVersion}, Kind=${kind} ${all}`;
    return `${lacks} on the object referenced by paramRef`;
  }

  /** The resource of a kind; `*` where there is none. */
  #target({ apiVersion = '', kind = '' }: ParamKind): Target {
    const slash = apiVersion.indexOf('/');
    const [apiGroup, version] = slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
    const row = this.#deps
      .catalog()
      .all()
      .find((each) => each.group === apiGroup && each.version === version && each.kind === kind);
    return { group: apiGroup, version, resource: row?.plural ?? '*' };
  }

  async #may(user: UserInfo, asked: Target & { verb: string; name: string; namespace: string }): Promise<boolean> {
    const { allowed } = await this.#deps.authorizer.authorize({ user, isResource: true, subresource: '', path: '', ...asked });
    return allowed;
  }
}

interface Target {
  group: string;
  version: string;
  resource: string;
}

const everything: Target = { group: '*', version: '*', resource: '*' };

const refused = ({ kind, metadata }: KubeObject, error: FieldError): Error =>
  invalid({ group, name: kind }, metadata.name, [error]);

/** As Go prints a user. */
const userText = ({ name, uid = '', groups, extra }: UserInfo): string =>
  `&{${name} ${uid} [${groups.join(' ')}] map[${Object.entries(extra)
    .map(([key, values]) => `${key}:[${values.join(' ')}]`)
    .join(' ')}]}`;
