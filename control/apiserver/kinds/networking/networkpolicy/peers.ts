/** The peers of a NetworkPolicy's rules with their paths. */
import type { NetworkPolicy, NetworkPolicyPeer } from '#api/types.generated.ts';

/** A peer and its path: `spec.ingress[0].from[1]`. */
export interface LocatedPeer {
  peer: NetworkPolicyPeer;
  path: string;
}

/** All peers, those of ingress rules first. */
export function peersOf({ spec }: NetworkPolicy): LocatedPeer[] {
  const located = (peers: readonly NetworkPolicyPeer[] = [], path: string): LocatedPeer[] =>
    peers.map((peer, index) => ({ peer, path: `${path}[${index}]` }));
  return [
    ...(spec.ingress ?? []).flatMap(({ from }, index) => located(from, `spec.ingress[${index}].from`)),
    ...(spec.egress ?? []).flatMap(({ to }, index) => located(to, `spec.egress[${index}].to`)),
  ];
}
