/** Chooses the node's addresses that serve node ports (`--nodeport-addresses`). Pure. */
import { containsIp, type IpFamily, parseCidr, parseIp } from '#api/ip.ts';

/**
 * The addresses of one family that serve node ports.
 * @param ranges CIDRs of both families; those of the other family are ignored
 * @param local the node's addresses
 * @returns sorted addresses; undefined when every local address serves: there is no range, or one that covers everything
 */
export function nodePortAddresses(
  ranges: readonly string[],
  family: IpFamily,
  local: readonly string[],
): readonly string[] | undefined {
  const ofFamily = ranges.flatMap((text) => parseCidr(text) ?? []).filter((range) => range.family === family);
  if (ofFamily.length === 0 || ofFamily.some(({ prefixLength }) => prefixLength === 0)) return undefined;
  return [...new Set(local)]
    .filter((address) => {
      const ip = parseIp(address);
      return ip !== undefined && ofFamily.some((range) => containsIp(range, ip));
    })
    .sort();
}
