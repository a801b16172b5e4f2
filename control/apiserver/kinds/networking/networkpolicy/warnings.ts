/** Warnings about prefixes that are not canonical. Source: upstream `pkg/registry/networking/networkpolicy/strategy.go`. */
import type { NetworkPolicy } from '#api/types.generated.ts';
import { cidrWarnings } from '../../../validation/ip.ts';
import { submitted } from '../../../validation/submitted.ts';
import { peersOf } from './peers.ts';

/**
 * Warnings about address ranges that are not written in canonical form. Source: upstream
 * `pkg/registry/networking/networkpolicy/strategy.go`.
 */
export function networkPolicyWarnings(policy: NetworkPolicy): string[] {
  return peersOf(policy).flatMap(({ peer: { ipBlock }, path }) =>
    ipBlock === undefined
      ? []
      : [
          ...cidrWarnings(submitted(ipBlock).cidr ?? '', `${path}.ipBlock.cidr`),
          ...(ipBlock.except ?? []).flatMap((cidr, index) => cidrWarnings(cidr, `${path}.ipBlock.except[${index}]`)),
        ],
  );
}
