/**
 * Deletes stale conntrack entries of UDP services. Conntrack sends all packets of a UDP flow to the endpoint of the first packet,
 * so a client that never pauses would talk to a dead pod for ever. (TCP connections end by themselves.)
 */
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { type IpFamily, joinHostPort } from '#api/ip.ts';
import type { ServiceState } from './state.ts';

/** Identifies a group of entries: the destination that the client sends to, and the source of the reply. */
export interface Flow {
  originalDestination: string;
  originalPort: number;
  replySource: string;
  replyPort: number;
}

/** Parses the output of `conntrack -L -p udp`. Pure. */
export function parseFlows(text: string): Flow[] {
  return text.split('\n').flatMap((line) => {
    const values = (key: string): string[] =>
      [...line.matchAll(new RegExp(`(?:^| )${key}=(\\S+)`, 'g'))].map((match) => match[1] ?? '');
    const [originalDestination] = values('dst');
    const [originalPort] = values('dport');
    const replySource = values('src')[1];
    const replyPort = values('sport')[1];
    if (originalDestination === undefined || originalPort === undefined || replySource === undefined || replyPort === undefined)
      return [];
    return [{ originalDestination, originalPort: Number(originalPort), replySource, replyPort: Number(replyPort) }];
  });
}

/** The entries for a UDP service whose endpoint does not serve it any more. Each group appears once. Pure. */
export function staleFlows(flows: readonly Flow[], { ports }: ServiceState): Flow[] {
  const byAddress = new Map<string, ReadonlySet<string>>();
  const byNodePort = new Map<number, ReadonlySet<string>>();
  for (const port of ports) {
    if (port.protocol !== 'udp') continue;
    const serving = new Set(port.endpoints.filter((endpoint) => endpoint.serving).map(({ address }) => address));
    // Without endpoints the traffic is rejected. There is no better endpoint for the flow.
    if (serving.size === 0) continue;
    for (const ip of [port.clusterIp, ...port.loadBalancerIps, ...port.externalIps])
      byAddress.set(joinHostPort(ip, port.port), serving);
    if (port.nodePort !== undefined) byNodePort.set(port.nodePort, serving);
  }
  const stale = flows.filter(({ originalDestination, originalPort, replySource, replyPort }) => {
    const answeredBy = joinHostPort(replySource, replyPort);
    const serving = byAddress.get(joinHostPort(originalDestination, originalPort)) ?? byNodePort.get(originalPort);
    return serving !== undefined && !serving.has(answeredBy);
  });
  return [...new Map(stale.map((flow) => [JSON.stringify(flow), flow])).values()];
}

const listArgv = (family: IpFamily): string[] => ['conntrack', '-L', '-f', family.toLowerCase(), '-p', 'udp'];

/** The argv that deletes the entries of one group. Pure. */
export function deleteArgv(family: IpFamily, { originalDestination, originalPort, replySource, replyPort }: Flow): string[] {
  const argv = ['conntrack', '-D', '-f', family.toLowerCase(), '-p', 'udp'];
  argv.push('--orig-dst', originalDestination, '--orig-port-dst', String(originalPort));
  argv.push('--reply-src', replySource, '--reply-port-src', String(replyPort));
  return argv;
}

/**
 * Deletes the stale entries of UDP services. @returns the number of groups
 * @throws ExecError when conntrack is missing or fails
 */
export async function cleanStaleFlows(exec: Exec, state: ServiceState): Promise<number> {
  const { stdout } = await exec(listArgv(state.family));
  const stale = staleFlows(parseFlows(stdout), state);
  for (const flow of stale) {
    await exec(deleteArgv(state.family, flow)).catch((error: unknown) => {
      // The entry may have expired meanwhile. conntrack then ends with status 1 and "0 flow entries have been deleted".
      if (!(error instanceof ExecError) || !error.result.stderr.includes('0 flow entries')) throw error;
    });
  }
  return stale.length;
}
