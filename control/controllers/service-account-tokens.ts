/**
 * Service-account tokens controller: writes tokens into secrets of type `kubernetes.io/service-account-token`, and deletes these secrets
 * with their service account.
 *
 * Owns: -.  Watches: Secret, ServiceAccount.  Writes: Secret, ServiceAccount.
 * Source: kubernetes `pkg/controller/serviceaccount/tokens_controller.go`.
 */
import { isConflict, isNotFound } from '#api/status.ts';
import type { Secret, ServiceAccount } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { type Controller, type ControllerDeps, done } from '#client/controller.ts';

/** The type of the secrets. */
export const tokenSecretType = 'kubernetes.io/service-account-token';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';

/** Options of the controller. */
export interface ServiceAccountTokensOptions {
  /** Signs a token that is valid as long as the secret exists. */
  issueToken(account: ServiceAccount, secret: Secret): Promise<string>;
  /** The CA certificate (PEM) to store beside the token. Absent: none. */
  rootCaPem?: string | undefined;
}

/** Makes the service-account tokens controller. */
export const serviceAccountTokensController = (
  { client, caches }: ControllerDeps,
  options: ServiceAccountTokensOptions,
): Controller => ({
  name: 'serviceaccount-token',
  watches: [
    { resource: 'secrets', keys: (secret) => (secret.type === tokenSecretType ? [keyOfToken(secret)] : []) },
    {
      resource: 'serviceaccounts',
      // Only the deletion of an account affects existing secrets.
      keys: ({ metadata: { namespace = '', name } }, _, all) =>
        all.cache('serviceaccounts').get(`${namespace}/${name}`) === undefined
          ? tokensOf(all.cache('secrets').list(namespace), name).map(keyOfToken)
          : [],
    },
  ],

  async reconcile(key) {
    const [namespace = '', name = '', accountName = ''] = key.split('/');
    const secret = caches.cache('secrets').get(`${namespace}/${name}`);
    if (secret === undefined) {
      await removeReference(client, caches.cache('serviceaccounts').get(`${namespace}/${accountName}`), name);
      return done;
    }
    const account = await findAccount(client, caches.cache('serviceaccounts').get(`${namespace}/${accountName}`), secret);
    try {
      if (account === undefined) await client.resource('secrets').delete({ namespace, name }, { preconditions: uidOf(secret) });
      else await fill(client, secret, account, options);
    } catch (error) {
      // Another client has changed or deleted the secret. Its event queues the key again.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    return done;
  },
});

const uidOf = ({ metadata: { uid } }: Secret): { uid: string } => ({ uid });

/** The key contains the account's name, which is needed when the secret is gone. */
const keyOfToken = ({ metadata: { namespace, name, annotations } }: Secret): string =>
  `${namespace}/${name}/${annotations?.[nameAnnotation] ?? ''}`;

const tokensOf = (secrets: readonly Secret[], account: string): Secret[] =>
  secrets.filter(({ type, metadata }) => type === tokenSecretType && metadata.annotations?.[nameAnnotation] === account);

/**
 * The account that the secret names, by name and UID. When the cache does not have it, the server is asked. Undefined when it does not
 * exist.
 */
async function findAccount(
  client: Client,
  cached: ServiceAccount | undefined,
  { metadata: { namespace, annotations = {} } }: Secret,
): Promise<ServiceAccount | undefined> {
  const uid = annotations[uidAnnotation] ?? '';
  const isMeant = (account: ServiceAccount): boolean => uid === '' || account.metadata.uid === uid;
  if (cached !== undefined && isMeant(cached)) return cached;
  try {
    const stored = await client.resource('serviceaccounts').get({ namespace, name: annotations[nameAnnotation] ?? '' });
    return isMeant(stored) ? stored : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function fill(
  client: Client,
  secret: Secret,
  account: ServiceAccount,
  { issueToken, rootCaPem }: ServiceAccountTokensOptions,
): Promise<void> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const { data = {}, metadata } = secret;
  const missing: Record<string, string> = {};
  if (rootCaPem !== undefined && data['ca.crt'] !== base64(rootCaPem)) missing['ca.crt'] = base64(rootCaPem);
  if ((data['namespace'] ?? '') === '') missing['namespace'] = base64(metadata.namespace ?? '');
  if ((data['token'] ?? '') === '') missing['token'] = base64(await issueToken(account, secret));
  if (Object.keys(missing).length === 0) return;
  const annotations = {
    ...metadata.annotations,
    [nameAnnotation]: account.metadata.name,
    [uidAnnotation]: account.metadata.uid,
  };
  await client.resource('secrets').update({ ...secret, metadata: { ...metadata, annotations }, data: { ...data, ...missing } });
}

/** Removes the reference to a deleted secret from the account. A conflict is an error, so the key is retried. */
async function removeReference(client: Client, account: ServiceAccount | undefined, secret: string): Promise<void> {
  if (account?.secrets?.some(({ name }) => name === secret) !== true) return;
  try {
    await client
      .resource('serviceaccounts')
      .update({ ...account, secrets: account.secrets.filter(({ name }) => name !== secret) });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
