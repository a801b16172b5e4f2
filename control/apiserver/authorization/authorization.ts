/**
 * Who may do what: the seam between requests and authorizers. What a request asks for is {@link AuthorizationAttributes}; an authorizer
 * allows it, denies it, or has no opinion.
 *
 * Source: apiserver `pkg/authorization/authorizer`, `pkg/endpoints/filters/authorization.go`; kubernetes.io, Authorization.
 */

import { isPathSegmentName } from '#api/names.ts';
import { exactField, type FieldRequirement, parseFieldSelector, SelectorError } from '#api/selector.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';

/** What a request wants to do: the question to authorizers. */
export interface AuthorizationAttributes {
  user: UserInfo;
  verb: string;
  isResource: boolean;
  group: string;
  version: string;
  resource: string;
  subresource: string;
  namespace: string;
  /** Of a list or watch: the one name that its field selector leaves. */
  name: string;
  /** For non-resource requests. */
  path: string;
  /** What a list, watch or deletecollection asks of fields. Absent: nothing that can be read. */
  fieldSelector?: readonly FieldRequirement[];
}

/** The answer of an authorizer. */
export interface Decision {
  allowed: boolean;
  /** Denied, whatever other authorizers would say; absent or false, while not allowed: no opinion. */
  denied?: boolean;
  /** Why, for the 403 and for access reviews; '' where there is nothing to say. */
  reason: string;
  /** Why an authorizer could not decide (a webhook that does not answer). If nobody allows the request, it gets 500 with this text, not 403. */
  error?: string;
}

/** All rules of one user in one namespace, for SelfSubjectRulesReviews. */
export interface SubjectRules {
  resourceRules: { verbs: string[]; apiGroups: string[]; resources: string[]; resourceNames?: string[] }[];
  nonResourceRules: { verbs: string[]; nonResourceURLs: string[] }[];
  /** There may be more that is allowed. */
  incomplete: boolean;
  /** Why it is incomplete. */
  evaluationError?: string;
}

/** Decides whether a user may do something. @throws (its methods) Error when it cannot find out, which denies the request */
export interface Authorizer {
  /** Asked for every request; an authorizer that need not wait answers at once. */
  authorize(attributes: AuthorizationAttributes): Decision | Promise<Decision>;
  /** What `kubectl auth can-i --list` shows. */
  rules(user: UserInfo, namespace: string): SubjectRules | Promise<SubjectRules>;
}

/** Neither allowed nor denied: the next authorizer is asked. @param reason why, for messages */
export const noOpinion = (reason = ''): Decision => ({ allowed: false, reason });

const noRules: SubjectRules = { resourceRules: [], nonResourceRules: [], incomplete: false };
const everything: SubjectRules = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  incomplete: false,
};

/** `--authorization-mode=AlwaysAllow`: whoever is authenticated may do everything. */
export const alwaysAllow: Authorizer = {
  authorize: () => ({ allowed: true, reason: '' }),
  rules: () => everything,
};

/** `--authorization-mode=AlwaysDeny`, for tests: nobody but `system:masters` may do anything. */
export const alwaysDeny: Authorizer = {
  authorize: () => noOpinion('Everything is forbidden.'),
  rules: () => noRules,
};

/** The members of this group may do everything; no authorizer is asked. */
const privilegedGroup = 'system:masters';

/** Whether the user is in `system:masters`, to whom everything is allowed before anybody is asked. */
export const isPrivileged = ({ groups }: UserInfo): boolean => groups.includes(privilegedGroup);

/** Upstream asks it before the authorizers of every mode. It has no rules to show. */
export const privilegedGroups: Authorizer = {
  authorize: ({ user }) => (isPrivileged(user) ? { allowed: true, reason: '' } : noOpinion()),
  rules: () => noRules,
};

/**
 * Asks one after the other until one allows or denies; where all have no opinion, all reasons are told.
 * Source: apiserver `pkg/authorization/union`.
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

/** Health and version are anyone's to read: load balancers and `kubeadm join` ask before they have credentials. */
export function isPublic(info: RequestInfo): boolean {
  if (info.isResource || info.verb !== 'get') return false;
  const path = info.path.length > 1 ? info.path.replace(/\/$/, '') : info.path;
  return publicPaths.has(path);
}

const verbsWithSelectors: ReadonlySet<string> = new Set(['list', 'watch', 'deletecollection']);

/** The question that a request poses. */
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

/** Undefined: it cannot be read; the handler tells the client why, if the request comes so far. */
function readFieldSelector(text: string): FieldRequirement[] | undefined {
  try {
    return parseFieldSelector(text);
  } catch (error) {
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}

/** Escapes what a browser could take for HTML, as upstream. The authorizer's own reason is not escaped. */
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
