/**
 * The ways in which somebody may act as another user. The constrained ones ask two things: whether the requestor may do this request while
 * acting so (`impersonate-on:<mode>:<verb>`), and whether they may act as this user (`impersonate:<mode>`). The last mode is the original
 * one: it asks only about the user (`impersonate`), and allows every request.
 *
 * Source: apiserver `pkg/endpoints/filters/impersonation/mode.go`; KEP-5284.
 */
import { isDns1123Subdomain } from '#api/names.ts';
import { forbidden } from '#api/status.ts';
import { type AuthorizationAttributes, type Authorizer, forbiddenReason } from '../../authorization/authorization.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import { validateDomainPrefixedPath } from '../../validation/paths.ts';
import { allAuthenticated, allUnauthenticated, anonymousName } from '../authenticator.ts';
import { serviceAccountGroups, splitServiceAccount } from '../service-account-names.ts';

/** The user that the headers ask for. */
export interface WantedUser {
  user: string;
  uid: string;
  groups: string[];
  extra: Record<string, string[]>;
}

/** One way in which a user may be allowed to act as another. Source: KEP-5284 (constrained impersonation). */
export interface ImpersonationMode {
  name: string;
  /** Undefined: the mode does not apply to such users. @throws ApiError 403 */
  check(wanted: WantedUser, attributes: AuthorizationAttributes): Promise<UserInfo | undefined>;
}

/** In the order in which they are tried. */
export function impersonationModes(authorizer: Authorizer): ImpersonationMode[] {
  const isAlone = ({ uid, groups, extra }: WantedUser): boolean =>
    uid === '' && groups.length === 0 && Object.keys(extra).length === 0;
  const isNode = ({ user }: WantedUser): boolean => nodeOf(user) !== undefined;
  const isAccount = ({ user }: WantedUser): boolean => splitServiceAccount(user) !== undefined;
  return [
    associatedNode(authorizer, isAlone),
    constrained(authorizer, 'arbitrary-node', (wanted) => isAlone(wanted) && isNode(wanted)),
    constrained(authorizer, 'serviceaccount', (wanted) => isAlone(wanted) && isAccount(wanted)),
    constrained(authorizer, 'user-info', (wanted) => !isNode(wanted) && !isAccount(wanted)),
    {
      name: 'legacy',
      check: (wanted, { user }) => actAs({ authorizer, verb: 'impersonate', isConstrained: false, requestor: user }, wanted),
    },
  ];
}

const nodePrefix = 'system:node:';

/** Undefined: the user is not a node. */
function nodeOf(user: string): string | undefined {
  if (!user.startsWith(nodePrefix)) return undefined;
  const name = user.slice(nodePrefix.length);
  return isDns1123Subdomain(name).length === 0 ? name : undefined;
}

function constrained(
  authorizer: Authorizer,
  name: string,
  isFor: (wanted: WantedUser, requestor: UserInfo) => boolean,
): ImpersonationMode {
  return {
    name,
    async check(wanted, attributes) {
      const requestor = attributes.user;
      if (!isFor(wanted, requestor)) return undefined;
      await allow(authorizer, { ...attributes, verb: `impersonate-on:${name}:${attributes.verb}` });
      return await actAs({ authorizer, verb: `impersonate:${name}`, isConstrained: true, requestor }, wanted);
    },
  };
}

const nodeNameKey = 'authentication.kubernetes.io/node-name';
const nodeKeysKey = 'authentication.kubernetes.io/associated-node-keys';

/**
 * For service accounts of pods that act as the node of their pod. The authorizer is asked about any node, and sees only the names of the
 * requestor's extras: whoever may act as their own node may do so on every node.
 */
function associatedNode(authorizer: Authorizer, isAlone: (wanted: WantedUser) => boolean): ImpersonationMode {
  const seen = (attributes: AuthorizationAttributes): AuthorizationAttributes => ({
    ...attributes,
    user: { ...attributes.user, extra: { [nodeKeysKey]: Object.keys(attributes.user.extra).sort() } },
  });
  const mode = constrained(authorizer, 'associated-node', () => true);
  const isOwn = (wanted: WantedUser, requestor: UserInfo): boolean => {
    const [node, own] = [nodeOf(wanted.user), requestor.extra[nodeNameKey] ?? []];
    return node !== undefined && splitServiceAccount(requestor.name) !== undefined && own.length === 1 && own[0] === node;
  };
  return {
    name: mode.name,
    async check(wanted, attributes) {
      return isAlone(wanted) && isOwn(wanted, attributes.user) ? await mode.check(wanted, seen(attributes)) : undefined;
    },
  };
}

interface Acting {
  authorizer: Authorizer;
  verb: string;
  isConstrained: boolean;
  requestor: UserInfo;
}

/** If there are many groups or extras, one authorization request with `*` is tried first. */
const many = 4;

/** @throws ApiError 403 */
async function actAs(acting: Acting, wanted: WantedUser): Promise<UserInfo> {
  const groups = await checkName(acting, wanted);
  if (wanted.uid !== '') await mayActAs(acting, 'uids', wanted.uid);
  await checkGroups(acting, wanted.groups);
  await checkExtra(acting, wanted.extra);
  return {
    name: wanted.user,
    uid: wanted.uid === '' ? undefined : wanted.uid,
    groups: completed(wanted.user, groups),
    extra: wanted.extra,
  };
}

/** @returns the groups that the user then has */
async function checkName(acting: Acting, { user, groups }: WantedUser): Promise<string[]> {
  const node = acting.isConstrained ? nodeOf(user) : undefined;
  const account = splitServiceAccount(user);
  if (node !== undefined) {
    await mayActAs(acting, 'nodes', acting.verb === 'impersonate:associated-node' ? '*' : node);
    return ['system:nodes'];
  }
  if (account === undefined) await mayActAs(acting, 'users', user);
  else await mayActAs(acting, 'serviceaccounts', account.name, account.namespace);
  return groups.length === 0 && account !== undefined ? serviceAccountGroups(account.namespace) : [...groups];
}

async function checkGroups(acting: Acting, groups: readonly string[]): Promise<void> {
  if (acting.isConstrained) {
    if (groups.includes('')) throw refused(acting, 'groups', '', 'impersonating the empty string group is not allowed');
    if (groups.includes('system:masters'))
      throw refused(acting, 'groups', 'system:masters', 'impersonating the system:masters group is not allowed');
    if (groups.length >= many && (await isAllowed(acting, attributesOf(acting, 'groups', '*')))) return;
  }
  for (const group of groups) await mayActAs(acting, 'groups', group);
}

async function checkExtra(acting: Acting, extra: Readonly<Record<string, readonly string[]>>): Promise<void> {
  const entries = Object.entries(extra);
  if (acting.isConstrained) {
    const problem = entries.map(([key, values]) => extraProblem(key, values)).find((text) => text !== undefined);
    if (problem !== undefined) throw refused(acting, 'userextras', '', problem);
    const values = entries.flatMap(([, list]) => list);
    const isLarge = entries.length >= many || values.length >= many;
    if (isLarge && (await isAllowed(acting, { ...attributesOf(acting, 'userextras', '*'), subresource: '*' }))) return;
  }
  for (const [key, list] of entries) for (const value of list) await mayActAs(acting, 'userextras', value, '', key);
}

function extraProblem(key: string, values: readonly string[]): string | undefined {
  if (key === '') return 'impersonating the empty string key in extra is not allowed';
  const problems = validateDomainPrefixedPath(key, 'extra.key').map(({ field, message }) => `${field}: ${message}`);
  if (problems.length > 0)
    return `impersonating an invalid key in extra is not allowed: ${problems.length === 1 ? problems.join() : `[${problems.join(', ')}]`}`;
  if (key !== key.toLowerCase()) return `impersonating a non-lowercase key in extra is not allowed: ${JSON.stringify(key)}`;
  if (values.length === 0) return 'impersonating empty values in extra is not allowed';
  return values.includes('') ? 'impersonating the empty string value in extra is not allowed' : undefined;
}

/** Adds `system:authenticated` (for the anonymous user `system:unauthenticated`), unless the user is in `system:unauthenticated`. */
function completed(user: string, groups: readonly string[]): string[] {
  const standing = user === anonymousName ? allUnauthenticated : allAuthenticated;
  return groups.includes(allUnauthenticated) || groups.includes(standing) ? [...groups] : [...groups, standing];
}

function attributesOf(
  { verb, isConstrained, requestor }: Acting,
  resource: string,
  name: string,
  namespace = '',
  subresource = '',
): AuthorizationAttributes {
  const isOwnGroup = isConstrained || resource === 'userextras' || resource === 'uids';
  const group = isOwnGroup ? 'authentication.k8s.io' : '';
  return { user: requestor, verb, isResource: true, group, version: 'v1', resource, subresource, namespace, name, path: '' };
}

async function mayActAs(acting: Acting, resource: string, name: string, namespace = '', subresource = ''): Promise<void> {
  await allow(acting.authorizer, attributesOf(acting, resource, name, namespace, subresource));
}

async function isAllowed({ authorizer }: Acting, attributes: AuthorizationAttributes): Promise<boolean> {
  return (await authorizer.authorize(attributes)).allowed;
}

function refused(acting: Acting, resource: string, name: string, why: string): Error {
  const attributes = attributesOf(acting, resource, name);
  return forbidden({ group: attributes.group, name: resource }, name, forbiddenReason(attributes, why));
}

/** @throws ApiError 403 */
async function allow(authorizer: Authorizer, attributes: AuthorizationAttributes): Promise<void> {
  const decision = await authorizer.authorize(attributes);
  const { group, resource, name } = attributes;
  if (!decision.allowed) throw forbidden({ group, name: resource }, name, forbiddenReason(attributes, decision.reason));
}
