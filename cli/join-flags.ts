/** The flags of `tinker agent` for getting certificates: those of the kubelet, and those of `kubeadm join`. */
import type { Command } from 'commander';
import { boolean, durationMs } from './flags.ts';

/** The flags by which an agent joins a cluster. */
export interface JoinFlags {
  bootstrapKubeconfig: string | undefined;
  certDir: string | undefined;
  /** Default: true when this agent has requested the certificates itself. */
  rotateCertificates: boolean | undefined;
  /** Default: true when no serving certificate is given. */
  rotateServerCertificates: boolean | undefined;
  /** `host:port` of an API server. */
  join: string | undefined;
  token: string | undefined;
  discoveryTokenCaCertHash: string[];
  discoveryTokenUnsafeSkipCaVerification: boolean;
  discoveryTimeout: number;
  tlsBootstrapTimeout: number;
}

/** Adds the flags of joining to a command. */
export function addJoinFlags(command: Command): Command {
  return command
    .option('--join <host:port>', 'join the cluster of this API server: --token and --discovery-token-ca-cert-hash go with it')
    .option('--token <token>', 'the bootstrap token to join with ("tinker token create" on the control machine)')
    .option(
      '--discovery-token-ca-cert-hash <sha256:hex>',
      "the hash of the public key of the cluster's CA; may be given often",
      (text: string, previous: string[]) => [...previous, ...text.split(',')],
      [],
    )
    .option('--discovery-token-unsafe-skip-ca-verification [bool]', 'join without such a hash', boolean, false)
    .option('--discovery-timeout <duration>', 'how long the cluster is looked for', durationMs, 300_000)
    .option('--tls-bootstrap-timeout <duration>', 'how long the first certificate is waited for', durationMs, 3_600_000)
    .option('--bootstrap-kubeconfig <file>', 'a kubeconfig to ask for certificates with, where --kubeconfig is not there yet')
    .option('--cert-dir <folder>', 'certificates that were asked for; by default <root-dir>/pki')
    .option('--rotate-certificates [bool]', 'renew client certificates; by default those that were asked for', boolean)
    .option(
      '--rotate-server-certificates [bool]',
      'ask for the serving certificate, which somebody approves (kubectl certificate approve); by default without --tls-cert-file',
      boolean,
    );
}
