/**
 * Who may do what: the seam to authorizers, and upstream's default one, which allows everything to whoever is authenticated.
 *
 * Source: kubernetes.io, Authorization (`--authorization-mode=AlwaysAllow` is the default); bootstrap policy
 * `system:public-info-viewer` for what anyone may read.
 */

import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';

export interface AuthorizationAttributes {
  user: UserInfo;
  verb: string;
  isResource: boolean;
  group: string;
  version: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  /** For non-resource requests. */
  path: string;
}

export interface Decision {
  allowed: boolean;
  /** Denied by a rule, rather than by the lack of one. */
  denied?: boolean;
  reason: string;
}

export interface SubjectRules {
  resourceRules: { verbs: string[]; apiGroups: string[]; resources: string[]; resourceNames?: string[] }[];
  nonResourceRules: { verbs: string[]; nonResourceURLs: string[] }[];
  incomplete: boolean;
}

export interface Authorizer {
  authorize(attributes: AuthorizationAttributes): Promise<Decision>;
  /** What `kubectl auth can-i --list` shows. */
  rules(user: UserInfo, namespace: string): Promise<SubjectRules>;
}

export const alwaysAllow: Authorizer = {
  async authorize() {
    return { allowed: true, reason: '' };
  },
  async rules() {
    return {
      resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
      nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      incomplete: false,
    };
  },
};

const publicPaths = new Set(['/livez', '/readyz', '/healthz', '/version']);

/** Health and version are anyone's to read: load balancers and `kubeadm join` ask before they have credentials. */
export function isPublic(info: RequestInfo): boolean {
  if (info.isResource || info.verb !== 'get') return false;
  const path = info.path.length > 1 ? info.path.replace(/\/$/, '') : info.path;
  return publicPaths.has(path);
}

export function attributesOf(info: RequestInfo, user: UserInfo): AuthorizationAttributes {
  const { verb, isResource, group, version, resource, subresource, namespace, name, path } = info;
  return { user, verb, isResource, group, version, resource, subresource, namespace, name, path };
}

/** Upstream's sentence for a 403: `User "x" cannot get resource "pods" in API group "" in the namespace "default"`. */
export function forbiddenReason(attributes: AuthorizationAttributes, reason: string): string {
  const { user, verb, group, resource, subresource, namespace, path } = attributes;
  const why = reason === '' ? '' : `: ${reason}`;
  if (!attributes.isResource) return `User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}${why}`;
  const what = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  return `User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}${why}`;
}
