/**
 * `Impersonate-User`, `-Group`, `-Uid` and `-Extra-*`: a request that acts as another user, where the authorizer allows it.
 *
 * Source: kubernetes.io, User impersonation; apiserver `pkg/endpoints/filters/impersonation`.
 */
import { badRequest, forbidden, internalError } from '#api/status.ts';
import { type AuthorizationAttributes, type Authorizer, forbiddenReason } from '../authorization/authorization.ts';
import type { UserInfo } from '../registry/strategy.ts';

const extraPrefix = 'impersonate-extra-';
const anonymous = 'system:anonymous';

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

/** Several headers of one name arrive joined with commas. */
const values = (header: string | undefined): string[] => (header === undefined ? [] : header.split(',').map((one) => one.trim()));

interface Wanted {
  user: string;
  uid: string;
  groups: string[];
  extra: Record<string, string[]>;
}

function read(headers: Record<string, string>): Wanted | undefined {
  const user = headers['impersonate-user'] ?? '';
  const uid = headers['impersonate-uid'] ?? '';
  const groups = values(headers['impersonate-group']);
  const extra: Record<string, string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(extraPrefix)) extra[decodeURIComponent(name.slice(extraPrefix.length))] = values(value);
  }
  if (user !== '') return { user, uid, groups, extra };
  if (groups.length === 0 && uid === '' && Object.keys(extra).length === 0) return undefined;
  throw internalError(`requested ${JSON.stringify([...groups, uid, ...Object.keys(extra)])} without impersonating a user`);
}

/** The user that the request acts as: the requestor, unless it asks otherwise. @throws ApiError 403, 500 as upstream */
export async function impersonate(
  headers: Record<string, string>,
  requestor: UserInfo,
  authorizer: Authorizer,
): Promise<UserInfo> {
  let wanted: Wanted | undefined;
  try {
    wanted = read(headers);
  } catch (error) {
    if (error instanceof URIError) throw badRequest(`malformed ${extraPrefix} header: ${error.message}`);
    throw error;
  }
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
  const standing = user === anonymous ? 'system:unauthenticated' : 'system:authenticated';
  if (!all.includes('system:unauthenticated') && !all.includes(standing)) all.push(standing);
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
