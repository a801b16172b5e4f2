/** The users of a node's agent, and the client certificates that they ask for. */
import { agentUsers, kubeletUser } from '#api/agent-users.ts';
import { apiServerClientSigner, kubeletClientSigner } from '#api/certificates/signers.ts';
import type { WantedCertificate } from './request-certificate.ts';

/** A user of the agent, and its files. */
export interface NodeUser {
  user: string;
  /** Prefix of the user's files in `--cert-dir`. */
  prefix: string;
  wanted: WantedCertificate;
}

/** The kubelet first; then the agent's other parts, each a user of its own. */
export function nodeUsers(nodeName: string, isKubeletAlone = false): [kubelet: NodeUser, ...others: NodeUser[]] {
  const user = kubeletUser(nodeName);
  const kubelet = {
    user,
    prefix: 'kubelet-client',
    wanted: { commonName: user, organizations: ['system:nodes'], signerName: kubeletClientSigner, usage: 'client auth' as const },
  };
  if (isKubeletAlone) return [kubelet];
  const others = Object.values(agentUsers).map((name) => ({
    user: name,
    prefix: `${name.slice(name.indexOf(':') + 1)}-client`,
    wanted: { commonName: name, organizations: [], signerName: apiServerClientSigner, usage: 'client auth' as const },
  }));
  return [kubelet, ...others];
}
