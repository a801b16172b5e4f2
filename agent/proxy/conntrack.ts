/**
 * Deletes stale conntrack entries of UDP and SCTP services. Conntrack sends all packets of a flow to the endpoint of the first packet,
 * so a client that never pauses would talk to a dead pod for ever. (TCP connections end by themselves.)
 *
 * Upstream leaves SCTP alone, and flows of a service that has no endpoint left: their clients then hear nothing until the entry expires, and
 * are not served by the endpoints that come later.
 */
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { type IpFamily, joinHostPort } from '#api/ip.ts';
import { atOnce, type Steps } from '#api/steps.ts';
import { inTurns } from '#client/turns.ts';
import type { ServicePortState, ServiceState } from './state.ts';

/** Identifies a group of entries: the destination that the client sends to, and the source of the reply. */
export interface Flow {
  protocol: FlowProtocol;
  originalDestination: string;
  originalPort: number;
  replySource: string;
  replyPort: number;
}

type FlowProtocol = 'udp' | 'sctp';

/** Whether conntrack keeps flows of the port at an endpoint that is gone. */
export const needsCleaning = ({ protocol }: ServicePortState): boolean => protocol === 'udp' || protocol === 'sctp';

/** Lines between two steps: some milliseconds. */
const linesPerStep = 1000;

/** Parses the output of `conntrack -L -p <protocol>`. Each group appears once: a full table has some hundred thousand entries of few groups. */
export function* parseFlowsSteps(text: string, protocol: FlowProtocol): Steps<Flow[]> {
  const flows = new Map<string, Flow>();
  let count = 0;
  for (let start = 0; start < text.length; ) {
    if (++count % linesPerStep === 0) yield;
    const newline = text.indexOf('\n', start);
    const line = text.slice(start, newline === -1 ? text.length : newline);
    start = newline === -1 ? text.length : newline + 1;
    const flow = parseFlow(line, protocol);
    if (flow !== undefined) flows.set(flowKey(flow), flow);
  }
  return [...flows.values()];
}

/** {@link parseFlowsSteps} at once. */
export const parseFlows = (text: string, protocol: FlowProtocol): Flow[] => atOnce(parseFlowsSteps(text, protocol));

const flowKey = ({ protocol, originalDestination, originalPort, replySource, replyPort }: Flow): string =>
  `${protocol} ${originalDestination} ${originalPort} ${replySource} ${replyPort}`;

function parseFlow(line: string, protocol: FlowProtocol): Flow | undefined {
  const values: Record<string, string[]> = {};
  for (const word of line.split(' ')) {
    const equals = word.indexOf('=');
    if (equals > 0 && equals < word.length - 1) (values[word.slice(0, equals)] ??= []).push(word.slice(equals + 1));
  }
  const { src, dst, sport, dport } = values;
  const [originalDestination, originalPort, replySource, replyPort] = [dst?.[0], dport?.[0], src?.[1], sport?.[1]];
  if (originalDestination === undefined || originalPort === undefined || replySource === undefined || replyPort === undefined)
    return undefined;
  return { protocol, originalDestination, originalPort: Number(originalPort), replySource, replyPort: Number(replyPort) };
}

/** The entries for a service whose endpoint does not serve it any more. Each group appears once. Pure. */
export function staleFlows(flows: readonly Flow[], { ports }: ServiceState): Flow[] {
  const byAddress = new Map<string, ReadonlySet<string>>();
  const byNodePort = new Map<string, ReadonlySet<string>>();
  for (const port of ports) {
    if (!needsCleaning(port)) continue;
    const serving = new Set(port.endpoints.filter((endpoint) => endpoint.serving).map(({ address }) => address));
    for (const ip of [port.clusterIp, ...port.loadBalancerIps, ...port.externalIps])
      byAddress.set(`${port.protocol} ${joinHostPort(ip, port.port)}`, serving);
    if (port.nodePort !== undefined) byNodePort.set(`${port.protocol} ${port.nodePort}`, serving);
  }
  const stale = flows.filter((flow) => {
    const { protocol, originalDestination, originalPort, replySource, replyPort } = flow;
    const to = joinHostPort(originalDestination, originalPort);
    const answeredBy = joinHostPort(replySource, replyPort);
    const isTranslated = to !== answeredBy;
    // A flow to this port of some other host is none of ours, and is not translated.
    const serving =
      byAddress.get(`${protocol} ${to}`) ?? (isTranslated ? byNodePort.get(`${protocol} ${originalPort}`) : undefined);
    // What was sent while there were no endpoints was rejected, and is not translated.
    return serving !== undefined && !serving.has(answeredBy) && (isTranslated || serving.size > 0);
  });
  return [...new Map(stale.map((flow) => [flowKey(flow), flow])).values()];
}

const listArgv = (family: IpFamily, protocol: FlowProtocol): string[] => [
  'conntrack',
  '-L',
  '-f',
  family.toLowerCase(),
  '-p',
  protocol,
];

/** The argv that deletes the entries of one group. Pure. */
export function deleteArgv(family: IpFamily, flow: Flow): string[] {
  const { protocol, originalDestination, originalPort, replySource, replyPort } = flow;
  const argv = ['conntrack', '-D', '-f', family.toLowerCase(), '-p', protocol];
  argv.push('--orig-dst', originalDestination, '--orig-port-dst', String(originalPort));
  argv.push('--reply-src', replySource, '--reply-port-src', String(replyPort));
  return argv;
}

/**
 * Deletes the stale entries of UDP and SCTP services. @returns the number of groups
 * @throws ExecError when conntrack is missing or fails
 */
export async function cleanStaleFlows(exec: Exec, state: ServiceState): Promise<number> {
  const protocols = new Set(state.ports.filter(needsCleaning).map(({ protocol }) => protocol as FlowProtocol));
  let count = 0;
  for (const protocol of protocols) {
    const { stdout } = await exec(listArgv(state.family, protocol));
    const stale = staleFlows(await inTurns(parseFlowsSteps(stdout, protocol)), state);
    count += stale.length;
    for (const flow of stale) {
      await exec(deleteArgv(state.family, flow)).catch((error: unknown) => {
        // The entry may have expired meanwhile. conntrack then ends with status 1 and "0 flow entries have been deleted".
        if (!(error instanceof ExecError) || !error.result.stderr.includes('0 flow entries')) throw error;
      });
    }
  }
  return count;
}
