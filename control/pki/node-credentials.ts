/**
 * What a machine needs to be a node: `kubelet.conf` (the client certificates of the kubelet and of the agent's other parts,
 * each with a context of its own), `kubelet.crt` and `kubelet.key` (the kubelet serves HTTPS on port 10250 with them) and `ca.crt`.
 * Made where the CA's key is, then carried to the machine.
 *
 * Source: kubernetes.io, "Using Node Authorization" (user `system:node:<name>`, group `system:nodes`).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { agentUsers, kubeletUser } from '#api/agent-users.ts';
import { kubeconfigText } from '#client/kubeconfig.ts';
import { issueCertificate } from './certificates.ts';
import { loadAuthority } from './cluster-pki.ts';
import { writeSafely } from './pki-files.ts';

/** For which node, and where its files go. */
export interface NodeCredentialsOptions {
  pkiFolder: string;
  /** Folder that receives the files; made if missing. */
  out: string;
  nodeName: string;
  nodeIp: string;
  /** The API server as the node reaches it: `https://10.0.0.1:6443`. */
  server: string;
  nowMs: number;
}

/**
 * Signs a node's certificates with the cluster's CA and writes its kubeconfigs. @throws Error when the CA or the folder cannot be
 * used
 */
export async function nodeCredentials({
  pkiFolder,
  out,
  nodeName,
  nodeIp,
  server,
  nowMs,
}: NodeCredentialsOptions): Promise<void> {
  const ca = await loadAuthority(pkiFolder, nowMs);
  const user = kubeletUser(nodeName);
  const client = await issueCertificate(ca, { commonName: user, organizations: ['system:nodes'], usage: 'client' }, nowMs);
  const serving = await issueCertificate(
    ca,
    { commonName: user, usage: 'server', dnsNames: [nodeName], ipAddresses: [nodeIp] },
    nowMs,
  );
  mkdirSync(out, { recursive: true, mode: 0o700 });
  writeSafely(join(out, 'ca.crt'), ca.certificate);
  writeSafely(join(out, 'kubelet.crt'), serving.certificate);
  writeSafely(join(out, 'kubelet.key'), serving.key);
  const others = [];
  for (const userName of Object.values(agentUsers)) {
    const { certificate, key } = await issueCertificate(ca, { commonName: userName, usage: 'client' }, nowMs);
    others.push({ userName, cert: certificate, key });
  }
  writeSafely(
    join(out, 'kubelet.conf'),
    kubeconfigText({ server, ca: ca.certificate, cert: client.certificate, key: client.key, userName: user, others }),
  );
}

/** The administrator's kubeconfig, as kubeadm's `admin.conf`. */
export async function adminKubeconfig(pkiFolder: string, server: string, nowMs: number): Promise<string> {
  const ca = await loadAuthority(pkiFolder, nowMs);
  const client = await issueCertificate(
    ca,
    { commonName: 'kubernetes-admin', organizations: ['system:masters'], usage: 'client' },
    nowMs,
  );
  return kubeconfigText({ server, ca: ca.certificate, cert: client.certificate, key: client.key });
}
