/** NetworkPolicies. Source: upstream `pkg/apis/networking/validation/validation.go`. */
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { contains, parseCidrSloppy } from '#api/ip.ts';
import { validateLabelSelector } from '#api/labels.ts';
import { isValidPortName, isValidPortNum } from '#api/names.ts';
import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '#api/types.generated.ts';
import { type Accepted, validateCidr } from '../../../validation/ip.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { peersOf } from './peers.ts';

const policyTypes = ['Ingress', 'Egress'];

/** Validates a NetworkPolicy. Prefixes that `old` has stay valid, even if they are not canonical. @param old undefined on create */
export function validateNetworkPolicy(policy: NetworkPolicy, old: NetworkPolicy | undefined): FieldError[] {
  const { podSelector, ingress = [], egress = [], policyTypes: types = [] } = policy.spec;
  const accepted = new Set(old === undefined ? [] : cidrsOf(old));
  const errors = [
    ...validateLabelSelector(podSelector, 'spec.podSelector'),
    ...ingress.flatMap(({ ports, from }, index) => validateRule(ports, from, `spec.ingress[${index}]`, 'from', accepted)),
    ...egress.flatMap(({ ports, to }, index) => validateRule(ports, to, `spec.egress[${index}]`, 'to', accepted)),
  ];
  if (types.length > policyTypes.length)
    return [...errors, invalidValue('spec.policyTypes', types, 'may not specify more than two policyTypes')];
  const unknown = types.flatMap((type, index) =>
    policyTypes.includes(type) ? [] : [notSupported(`spec.policyTypes[${index}]`, type, policyTypes)],
  );
  return [...errors, ...unknown];
}

const cidrsOf = (policy: NetworkPolicy): string[] =>
  peersOf(policy).flatMap(({ peer: { ipBlock } }) => (ipBlock === undefined ? [] : [ipBlock.cidr, ...(ipBlock.except ?? [])]));

function validateRule(
  ports: readonly NetworkPolicyPort[] = [],
  peers: readonly NetworkPolicyPeer[] = [],
  path: string,
  direction: 'from' | 'to',
  accepted: Accepted,
): FieldError[] {
  return [
    ...ports.flatMap((port, index) => validatePort(port, `${path}.ports[${index}]`)),
    ...peers.flatMap((peer, index) => validatePeer(peer, `${path}.${direction}[${index}]`, accepted)),
  ];
}

function validatePort({ protocol, port, endPort }: NetworkPolicyPort, path: string): FieldError[] {
  const protocols = ['TCP', 'UDP', 'SCTP'];
  const errors =
    protocol === undefined || protocols.includes(protocol) ? [] : [notSupported(`${path}.protocol`, protocol, protocols)];
  const badEnd = (why: string): FieldError => invalidValue(`${path}.endPort`, endPort, why);
  if (port === undefined)
    return endPort === undefined ? errors : [...errors, badEnd('may not be specified when `port` is not specified')];
  if (typeof port === 'string') {
    if (endPort !== undefined) errors.push(badEnd('may not be specified when `port` is non-numeric'));
    return [...errors, ...isValidPortName(port).map((text) => invalidValue(`${path}.port`, port, text))];
  }
  errors.push(...isValidPortNum(port).map((text) => invalidValue(`${path}.port`, port, text)));
  if (endPort === undefined) return errors;
  // Upstream shows the first port here.
  if (endPort < port) errors.push(invalidValue(`${path}.endPort`, port, 'must be greater than or equal to `port`'));
  return [...errors, ...isValidPortNum(endPort).map(badEnd)];
}

function validatePeer(
  { podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer,
  path: string,
  accepted: Accepted,
): FieldError[] {
  const errors = [
    ...validateLabelSelector(podSelector, `${path}.podSelector`),
    ...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`),
    ...(ipBlock === undefined ? [] : validateIpBlock(ipBlock, `${path}.ipBlock`, accepted)),
  ];
  const selects = podSelector !== undefined || namespaceSelector !== undefined;
  if (!selects && ipBlock === undefined) return [...errors, required(path, 'must specify a peer')];
  if (selects && ipBlock !== undefined) return [...errors, forbiddenField(path, 'may not specify both ipBlock and another peer')];
  return errors;
}

function validateIpBlock({ cidr = '', except = [] }: Submitted<IPBlock>, path: string, accepted: Accepted): FieldError[] {
  if (cidr === '') return [required(`${path}.cidr`)];
  const errors = validateCidr(cidr, `${path}.cidr`, accepted);
  const whole = parseCidrSloppy(cidr);
  if (whole === undefined) return errors;
  for (const [index, text] of except.entries()) {
    const at = `${path}.except[${index}]`;
    errors.push(...validateCidr(text, at, accepted));
    const part = parseCidrSloppy(text);
    if (part !== undefined && !(contains(whole, part) && part.prefixLength > whole.prefixLength))
      errors.push(invalidValue(at, text, 'must be a strict subset of `cidr`'));
  }
  return errors;
}
