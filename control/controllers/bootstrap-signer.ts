/**
 * Bootstrap signer: signs the ConfigMap `cluster-info` with every bootstrap token that allows signing. The owner of a token can then verify
 * that the CA in it is the cluster's.
 *
 * Owns: -.  Watches: ConfigMap, Secret.  Writes: ConfigMap kube-public/cluster-info.
 * Source: kubernetes `pkg/controller/bootstrap/bootstrapsigner.go`; RFC 7515, appendix F (detached content).
 */
import { CompactSign } from 'jose';
import {
  bootstrapTokenNamespace,
  bootstrapTokenPrefix,
  bootstrapTokenType,
  bootstrapValue,
  isBootstrapTokenExpired,
} from '#api/bootstrap-token.ts';
import { sameJson } from '#api/meta.ts';
import { isConflict, isNotFound } from '#api/status.ts';
import type { Secret } from '#api/types.generated.ts';
import { type Controller, type ControllerDeps, done } from '#client/controller.ts';

const clusterInfo = 'kube-public/cluster-info';
const signaturePrefix = 'jws-kubeconfig-';

/** Makes the bootstrap signer. */
export const bootstrapSigner = ({ client, caches, clock }: ControllerDeps): Controller => ({
  name: 'bootstrapsigner',
  concurrency: 1,
  watches: [
    {
      resource: 'configmaps',
      keys: ({ metadata: { namespace, name } }) => (`${namespace}/${name}` === clusterInfo ? [clusterInfo] : []),
    },
    { resource: 'secrets', keys: (secret) => (isBootstrapToken(secret) ? [clusterInfo] : []) },
  ],

  async reconcile() {
    const found = caches.cache('configmaps').get(clusterInfo);
    const kubeconfig = found?.data?.['kubeconfig'];
    if (found === undefined || kubeconfig === undefined) return done;
    const secrets = caches.cache('secrets').list(bootstrapTokenNamespace);
    const signatures = await signaturesOf(kubeconfig, signingTokens(secrets, clock.now()));
    const others = Object.entries(found.data ?? {}).filter(([key]) => !key.startsWith(signaturePrefix));
    const data = { ...Object.fromEntries(others), ...signatures };
    if (sameJson(data, found.data)) return done;
    try {
      await client.resource('configmaps').update({ ...found, data });
    } catch (error) {
      // Its next event queues it again.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    return done;
  },
});

const isBootstrapToken = ({ type, metadata }: Secret): boolean =>
  type === bootstrapTokenType && metadata.namespace === bootstrapTokenNamespace;

/** The secrets of tokens that may sign, by their IDs. Pure. */
function signingTokens(secrets: readonly Secret[], nowMs: number): Map<string, string> {
  const tokens = new Map<string, string>();
  for (const secret of secrets) {
    if (!isBootstrapToken(secret) || isBootstrapTokenExpired(secret, nowMs)) continue;
    if (bootstrapValue(secret, 'usage-bootstrap-signing') !== 'true') continue;
    const id = bootstrapValue(secret, 'token-id');
    const tokenSecret = bootstrapValue(secret, 'token-secret');
    if (!/^[a-z0-9]{6}$/.test(id) || secret.metadata.name !== `${bootstrapTokenPrefix}${id}` || tokenSecret === '') continue;
    tokens.set(id, tokenSecret);
  }
  return tokens;
}

/** The signatures as values of the ConfigMap, in detached form (without the content). */
async function signaturesOf(content: string, tokens: ReadonlyMap<string, string>): Promise<Record<string, string>> {
  const signatures: Record<string, string> = {};
  for (const [id, secret] of tokens) {
    const signing = new CompactSign(Buffer.from(content)).setProtectedHeader({ alg: 'HS256', kid: id });
    const [header = '', , signature = ''] = (await signing.sign(Buffer.from(secret))).split('.');
    signatures[`${signaturePrefix}${id}`] = `${header}..${signature}`;
  }
  return signatures;
}
