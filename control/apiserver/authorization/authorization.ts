/**
 * The interface between requests and authorizers. A request is described by {@link AuthorizationAttributes}; an authorizer allows it,
 * denies it, or has no opinion.
 *
 * Source: apiserver `pkg/authorization/authorizer`, `pkg/endpoints/filters/authorization.go`; kubernetes.io, Authorization.
 */

import { isPathSegmentName } from '#api/names.ts';
import { exactField, type FieldRequirement, parseFieldSelector, SelectorError } from '#api/selector.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';

/** The attributes of a request that authorizers decide by. */
export interface AuthorizationAttributes {
  user: UserInfo;
  verb: string;
  isResource: boolean;
  group: string;
  version: string;
  resource: string;
  subresource: string;
  namespace: string;
  /** For a list or watch: the name in its field selector `metadata.name=…`. */
  name: string;
  /** For non-resource requests. */
  path: string;
  /** The field selector of a list, watch or deletecollection. Absent: there is none, or it is invalid. */
  fieldSelector?: readonly FieldRequirement[];
}

/** The decision of an authorizer. */
export interface Decision {
  allowed: boolean;
  /** True: denied, without asking further authorizers. If neither this nor `isAllowed` is true, the authorizer has no opinion. */
  denied?: boolean;
  /** The reason, for the 403 and for access reviews. May be ''. */
  reason: string;
  /**
   * Why an authorizer could not decide (for example, a webhook does not answer). If no authorizer allows the request, it gets 500 with this
   * text instead of 403.
   */
  error?: string;
}

/** All rules of one user in one namespace, for SelfSubjectRulesReviews. */
export interface SubjectRules {
  resourceRules: { verbs: string[]; apiGroups: string[]; resources: string[]; resourceNames?: string[] }[];
  nonResourceRules: { verbs: string[]; nonResourceURLs: string[] }[];
  /** The rules may be incomplete. */
  incomplete: boolean;
  /** Why it is incomplete. */
  evaluationError?: string;
}

/** Decides whether a user may do something. @throws (its methods) Error if it cannot decide, which denies the request */
export interface Authorizer {
  /** Called for every request. The result is a promise only if the authorizer has to wait. */
  authorize(attributes: AuthorizationAttributes): Decision | Promise<Decision>;
  /** The rules that `kubectl auth can-i --list` shows. */
  rules(user: UserInfo, namespace: string): SubjectRules | Promise<SubjectRules>;
}

/** Neither allowed nor denied: the next authorizer is asked. @param reason for messages */
export const noOpinion = (reason = ''): Decision => ({ allowed: false, reason });

const noRules: SubjectRules = { resourceRules: [], nonResourceRules: [], incomplete: false };
const everything: SubjectRules = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  incomplete: false,
};

/** `--authorization-mode=AlwaysAllow`: every authenticated user may do everything. */
export const alwaysAllow: Authorizer = {
  authorize: () => ({ allowed: true, reason: '' }),
  rules: () => everything,
};

/** `--authorization-mode=AlwaysDeny`, for tests: only `system:masters` may do anything. */
export const alwaysDeny: Authorizer = {
  authorize: () => noOpinion('Everything is forbidden.'),
  rules: () => noRules,
};

/** Members of this group may do everything, without asking the authorizers. */
const privilegedGroup = 'system:masters';

/** Whether the user is in `system:masters`, whose requests are allowed without asking the authorizers. */
export const isPrivileged = ({ groups }: UserInfo): boolean => groups.includes(privilegedGroup);

/** As upstream, it comes before the authorizers of every mode. It has no rules to list. */
export const privilegedGroups: Authorizer = {
  authorize: ({ user }) => (isPrivileged(user) ? { allowed: true, reason: '' } : noOpinion()),
  rules: () => noRules,
};

/**
 * Asks one authorizer after the other until one allows or denies. If none has an opinion, all their reasons are returned. Source: apiserver
 * `pkg/authorization/union`.
 */
export function union(authorizers: readonly Authorizer[]): Authorizer {
  return {
    async authorize(attributes) {
      const reasons: string[] = [];
      const errors: string[] = [];
      for (const authorizer of authorizers) {
        const asked = authorizer.authorize(attributes);
        const decision = asked instanceof Promise ? await asked : asked;
        if (decision.allowed || decision.denied === true) return decision;
        if (decision.reason !== '') reasons.push(decision.reason);
        if (decision.error !== undefined) errors.push(decision.error);
      }
      const error = errors.length === 0 ? {} : { error: errors.length === 1 ? errors.join() : `[${errors.join(', ')}]` };
      return { ...noOpinion(reasons.join('\n')), ...error };
    },
    async rules(user, namespace) {
      const all: SubjectRules[] = [];
      for (const authorizer of authorizers) all.push(await authorizer.rules(user, namespace));
      const errors = all.flatMap(({ evaluationError }) => evaluationError ?? []);
      return {
        resourceRules: all.flatMap(({ resourceRules }) => resourceRules),
        nonResourceRules: all.flatMap(({ nonResourceRules }) => nonResourceRules),
        incomplete: all.some(({ incomplete }) => incomplete),
        ...(errors.length === 0 ? {} : { evaluationError: errors.length === 1 ? errors.join() : `[${errors.join(', ')}]` }),
      };
    },
  };
}

const publicPaths = new Set(['/livez', '/readyz', '/healthz', '/version']);

/** Paths of health and version that anyone may read: load balancers and `kubeadm join` have no credentials yet. */
export function isPublic(info: RequestInfo): boolean {
  if (info.isResource || info.verb !== 'get') return false;
  const path = info.path.length > 1 ? info.path.replace(/\/$/, '') : info.path;
  return publicPaths.has(path);
}

const verbsWithSelectors: ReadonlySet<string> = new Set(['list', 'watch', 'deletecollection']);

/** The authorization attributes of a request. */
export function attributesOf(info: RequestInfo, user: UserInfo): AuthorizationAttributes {
  const { verb, isResource, group, version, resource, subresource, namespace, name, path } = info;
  const attributes = { user, verb, isResource, group, version, resource, subresource, namespace, name, path };
  if (!isResource || !verbsWithSelectors.has(verb)) return attributes;
  const fieldSelector = readFieldSelector(info.query.get('fieldSelector') ?? '');
  if (fieldSelector === undefined || fieldSelector.length === 0) return attributes;
  const selected = verb === 'deletecollection' || name !== '' ? undefined : exactField(fieldSelector, 'metadata.name');
  const isName = selected !== undefined && selected !== '' && isPathSegmentName(selected).length === 0;
  return { ...attributes, fieldSelector, ...(isName ? { name: selected } : {}) };
}

/** Undefined: it is invalid. The handler reports that, if the request is allowed. */
function readFieldSelector(text: string): FieldRequirement[] | undefined {
  try {
    return parseFieldSelector(text);
  } catch (error) {
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}

/** Escapes HTML characters, as upstream. The authorizer's own reason is not escaped. */
const sanitized = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Upstream's sentence for a 403: `User "x" cannot get resource "pods" in API group "" in the namespace "default"`. */
export function forbiddenReason(attributes: AuthorizationAttributes, reason: string): string {
  const sentence = sanitized(forbiddenSentence(attributes));
  return reason === '' ? sentence : `${sentence}: ${reason}`;
}

function forbiddenSentence(attributes: AuthorizationAttributes): string {
  const { user, verb, group, resource, subresource, namespace, path } = attributes;
  const who = `User ${JSON.stringify(user.name)} cannot ${verb}`;
  if (!attributes.isResource) return `${who} path ${JSON.stringify(path)}`;
  const what = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  return `${who} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}`;
}
