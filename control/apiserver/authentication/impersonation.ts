/**
 * `Impersonate-User`, `-Group`, `-Uid` and `-Extra-*`: a request that acts as another user, where the authorizer allows it.
 *
 * Source: kubernetes.io, User impersonation; apiserver `pkg/endpoints/filters/impersonation`.
 */
import { badRequest, forbidden } from '#api/status.ts';
import { type AuthorizationAttributes, type Authorizer, forbiddenReason } from '../authorization/authorization.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { allAuthenticated, allUnauthenticated, anonymousName } from './authenticator.ts';
import type { HeaderValues } from './header-values.ts';

const extraPrefix = 'impersonate-extra-';

/** `system:serviceaccount:<namespace>:<name>`, taken apart. */
export function splitServiceAccount(user: string): { namespace: string; name: string } | undefined {
  const [system, kind, namespace, name, ...more] = user.split(':');
  if (system !== 'system' || kind !== 'serviceaccount' || namespace === undefined || name === undefined || more.length > 0)
    return undefined;
  return { namespace, name };
}

export const serviceAccountGroups = (namespace: string): string[] => [
  'system:serviceaccounts',
  `system:serviceaccounts:${namespace}`,
];

interface Wanted {
  user: string;
  uid: string;
  groups: string[];
  extra: Record<string, string[]>;
}

function read({ header, headerNames }: HeaderValues): Wanted | undefined {
  const [user = ''] = header('impersonate-user');
  const [uid = ''] = header('impersonate-uid');
  const groups = [...header('impersonate-group')];
  const keys = [...headerNames()].filter((name) => name.startsWith(extraPrefix));
  // Not an object literal: a key may be `__proto__`.
  const extra = Object.fromEntries(keys.map((name) => [unescaped(name.slice(extraPrefix.length)), [...header(name)]]));
  if (user !== '') return { user, uid, groups, extra };
  if (groups.length === 0 && uid === '' && Object.keys(extra).length === 0) return undefined;
  throw badRequest(`requested ${goText({ uid, groups, extra })} without impersonating a user name`);
}

/** As Go prints upstream's `user.DefaultInfo` (`%#v`). */
function goText({ uid, groups, extra }: Omit<Wanted, 'user'>): string {
  const list = (texts: readonly string[]): string => texts.map((text) => JSON.stringify(text)).join(', ');
  const slice = (texts: readonly string[]): string => `[]string${texts.length === 0 ? '(nil)' : `{${list(texts)}}`}`;
  const entries = Object.keys(extra)
    .sort()
    .map((key) => `${JSON.stringify(key)}:[]string{${list(extra[key] ?? [])}}`);
  const map = `map[string][]string${entries.length === 0 ? '(nil)' : `{${entries.join(', ')}}`}`;
  return `&user.DefaultInfo{Name:"", UID:${JSON.stringify(uid)}, Groups:${slice(groups)}, Extra:${map}}`;
}

/** A key that is badly encoded is taken as it is. */
function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

/** Whether a header asks to act as somebody else. */
export const asksToImpersonate = (name: string): boolean => name.startsWith('impersonate-');

/** The user that the request acts as: the requestor, unless it asks otherwise. @throws ApiError 400, 403 as upstream */
export async function impersonate(headers: HeaderValues, requestor: UserInfo, authorizer: Authorizer): Promise<UserInfo> {
  const wanted = read(headers);
  if (wanted === undefined) return requestor;
  const account = splitServiceAccount(wanted.user);
  const check = (resource: string, name: string, namespace = '', subresource = ''): Promise<void> =>
    mayImpersonate(authorizer, requestor, resource, name, namespace, subresource);
  if (account === undefined) await check('users', wanted.user);
  else await check('serviceaccounts', account.name, account.namespace);
  for (const group of wanted.groups) await check('groups', group);
  for (const [key, list] of Object.entries(wanted.extra)) for (const value of list) await check('userextras', value, '', key);
  if (wanted.uid !== '') await check('uids', wanted.uid);
  return {
    name: wanted.user,
    uid: wanted.uid === '' ? undefined : wanted.uid,
    groups: completed(wanted, account?.namespace),
    extra: wanted.extra,
  };
}

function completed({ user, groups }: Wanted, accountNamespace: string | undefined): string[] {
  const all = groups.length === 0 && accountNamespace !== undefined ? serviceAccountGroups(accountNamespace) : [...groups];
  const standing = user === anonymousName ? allUnauthenticated : allAuthenticated;
  if (!all.includes(allUnauthenticated) && !all.includes(standing)) all.push(standing);
  return all;
}

async function mayImpersonate(
  authorizer: Authorizer,
  user: UserInfo,
  resource: string,
  name: string,
  namespace: string,
  subresource: string,
): Promise<void> {
  const group = resource === 'userextras' || resource === 'uids' ? 'authentication.k8s.io' : '';
  const attributes: AuthorizationAttributes = {
    user,
    verb: 'impersonate',
    isResource: true,
    group,
    version: 'v1',
    resource,
    subresource,
    namespace,
    name,
    path: '',
  };
  const decision = await authorizer.authorize(attributes);
  if (!decision.allowed) throw forbidden({ group, name: resource }, name, forbiddenReason(attributes, decision.reason));
}
