/**
 * The tests that every {@link Backend} must pass, on the real kernel in network namespaces. The test of each backend calls them.
 * Needs root, iproute2, conntrack and nft.
 */
import { packetContract } from './backend-packets.contract.ts';
import type { BackendUnderTest } from './backend-under-test.testing.ts';
import { upkeepContract } from './backend-upkeep.contract.ts';
import { verdictContract } from './backend-verdicts.contract.ts';

export function backendContract(under: BackendUnderTest): void {
  upkeepContract(under);
  packetContract(under);
  verdictContract(under);
}
