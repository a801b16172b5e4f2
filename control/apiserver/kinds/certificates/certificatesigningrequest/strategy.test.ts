import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '#api/types.generated.ts';
import { createCertificateRequest } from '#api/x509/create-request.ts';
import { encodePem } from '#api/x509/pem.ts';
import { createAuthority } from '#control/pki/certificates.ts';
import { create, rejects, systemMeta, texts, update } from '../../strategy.testing.ts';
import { certificateSigningRequestKind } from './strategy.ts';

const { strategy } = certificateSigningRequestKind({});
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const request = base64(createCertificateRequest({ commonName: 'jane' }, privateKey));
const certificate = base64((await createAuthority(Date.UTC(2026, 0, 1))).certificate);
const certificates = `${certificate}${certificate}`;

type Spec = CertificateSigningRequest['spec'];
const make = (spec: Partial<Spec> = {}, status?: CertificateSigningRequest['status']): CertificateSigningRequest => ({
  apiVersion: 'certificates.k8s.io/v1',
  kind: 'CertificateSigningRequest',
  metadata: systemMeta('jane'),
  spec: { request, signerName: 'example.com/s', usages: ['client auth'], ...spec },
  ...(status === undefined ? {} : { status }),
});
const condition = (type: string, more: Partial<CertificateSigningRequestCondition> = {}): CertificateSigningRequestCondition => ({
  type,
  status: 'True',
  ...more,
});
const at = (
  part: 'approval' | 'status' | '',
  old: CertificateSigningRequest,
  change: (object: CertificateSigningRequest) => void,
) => update(strategy, old, change, part as 'status');

describe('a new certificate signing request', () => {
  it('tells who made it, whatever it says itself, and is not approved', async () => {
    const sent = make(
      { username: 'root', uid: 'x', groups: ['system:masters'], extra: { k: ['v'] } },
      { conditions: [condition('Approved')], certificate },
    );
    const { object, errors } = await create(strategy, sent);
    assert.deepEqual(errors, []);
    assert.deepEqual(object.spec, { request, signerName: 'example.com/s', usages: ['client auth'], username: 'tester' });
    assert.deepEqual(object.status, {});
  });

  const usages =
    '"any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"';
  const label =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  const subdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
  const qualified = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
  const refused: [what: string, Partial<Spec>, errors: string[]][] = [
    ['no request', { request: '' }, ['spec.request: Invalid value: "": PEM block type must be CERTIFICATE REQUEST']],
    [
      'a certificate',
      { request: certificate },
      [`spec.request: Invalid value: "${certificate}": PEM block type must be CERTIFICATE REQUEST`],
    ],
    ['no usages', { usages: [] }, ['spec.usages: Required value']],
    [
      'unknown and repeated usages',
      { usages: ['client auth', 'reading', 'client auth'] },
      [
        `spec.usages[1]: Unsupported value: "reading": supported values: ${usages}`,
        'spec.usages[2]: Duplicate value: "client auth"',
      ],
    ],
    ['no signer', { signerName: '' }, ['spec.signerName: Required value']],
    [
      'the signer of old',
      { signerName: 'kubernetes.io/legacy-unknown' },
      [
        'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version',
      ],
    ],
    ['a signer without a domain', { signerName: 's' }, [`spec.signerName: Invalid value: "s": ${qualified}`]],
    ['a signer of three parts', { signerName: 'a.b/c/d' }, [`spec.signerName: Invalid value: "a.b/c/d": ${qualified}`]],
    [
      'a domain of one label, and a path of none',
      { signerName: 'a/' },
      [
        'spec.signerName: Invalid value: "a": should be a domain with at least two segments separated by dots',
        `spec.signerName: Invalid value: "": validating label "": ${subdomain}`,
      ],
    ],
    [
      'a malformed domain',
      { signerName: 'A.b.C/d' },
      [`spec.signerName: Invalid value: "A.b.C": validating label "A": ${label}`],
    ],
    [
      'a long domain and a long path',
      { signerName: `${'a.'.repeat(127)}a/${'b.'.repeat(159)}b` },
      ['spec.signerName: Too long: may not be more than 253 bytes', 'spec.signerName: Too long: may not be more than 571 bytes'],
    ],
    [
      'less than ten minutes',
      { expirationSeconds: 599 },
      ['spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)'],
    ],
  ];
  for (const [what, spec, errors] of refused) it(`is refused with ${what}`, () => rejects(strategy, make(spec), ...errors));

  it('is accepted with ten minutes, and every usage', async () => {
    const all = usages.split(', ').map((one) => one.slice(1, -1));
    await rejects(strategy, make({ expirationSeconds: 600, usages: all }));
  });
});

describe('an update', () => {
  const old = make({}, { conditions: [condition('Approved', { reason: 'r', lastUpdateTime: '2026-01-01T00:00:00Z' })] });

  it('of the object changes neither spec nor status', async () => {
    const { object, errors } = await at('', old, (one) => {
      one.spec = { ...one.spec, signerName: 'other.example.com/s' };
      one.status = { certificate, conditions: [] };
      one.metadata.labels = { a: 'b' };
    });
    assert.deepEqual([object.spec, object.status, object.metadata.labels, errors], [old.spec, old.status, { a: 'b' }, []]);
  });

  it('of the approval changes conditions alone, and completes their times', async () => {
    const pending = make({}, { conditions: [condition('Other', { lastTransitionTime: '2026-01-01T00:00:00Z' })] });
    const { object, errors } = await at('approval', pending, (one) => {
      one.spec.signerName = 'other.example.com/s';
      one.status = { certificate, conditions: [condition('Other'), condition('Denied')] };
    });
    const now = '1970-01-01T00:00:00Z';
    assert.deepEqual(errors, []);
    assert.deepEqual([object.spec.signerName, object.status?.certificate], ['example.com/s', undefined]);
    const [other, denied] = object.status?.conditions ?? [];
    assert.equal(other?.lastTransitionTime, '2026-01-01T00:00:00Z');
    assert.equal(denied?.lastUpdateTime, denied?.lastTransitionTime);
    assert.ok((denied?.lastUpdateTime ?? '') >= now);
  });

  it('of the status keeps the approval as it is stored', async () => {
    const { object, errors } = await at('status', old, (one) => {
      one.status = { certificate, conditions: [condition('Approved', { reason: 'changed' }), condition('Failed')] };
    });
    assert.deepEqual(errors, []);
    assert.equal(object.status?.conditions?.[0]?.reason, 'r');
    assert.equal(object.status?.certificate, certificate);
  });

  type Change = [
    what: string,
    part: 'approval' | 'status',
    CertificateSigningRequest,
    CertificateSigningRequest['status'],
    errors: string[],
  ];
  const may = (what: string, type: string): string =>
    `status.conditions: Forbidden: updates may not ${what} a condition of type "${type}"`;
  const refused: Change[] = [
    ['approve at the status', 'status', make({}, {}), { conditions: [condition('Approved')] }, [may('add', 'Approved')]],
    ['take the approval back', 'approval', old, { conditions: [] }, [may('remove', 'Approved')]],
    ['take a failure back', 'status', make({}, { conditions: [condition('Failed')] }), {}, [may('remove', 'Failed')]],
    [
      'approve and deny',
      'approval',
      old,
      { conditions: [condition('Approved'), condition('Denied')] },
      ['status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'],
    ],
    [
      'say what makes no sense',
      'approval',
      make({}, {}),
      {
        conditions: [
          condition('Approved', { status: 'False' }),
          condition('', { status: '' }),
          condition('x', { status: 'y' }),
          condition('x'),
        ],
      },
      [
        'status.conditions[0].status: Unsupported value: "False": supported values: "True"',
        'status.conditions[1].type: Required value',
        'status.conditions[1].status: Required value',
        'status.conditions[2].status: Unsupported value: "y": supported values: "False", "True", "Unknown"',
        'status.conditions[3].type: Duplicate value: "x"',
      ],
    ],
    [
      'give another certificate',
      'status',
      make({}, { certificate }),
      { certificate: certificates },
      ['status.certificate: Forbidden: updates may not modify existing certificate content'],
    ],
    ...(
      [
        [base64('no certificate'), 'must contain at least one CERTIFICATE PEM block'],
        [request, 'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"'],
        [base64(encodePem('CERTIFICATE', Buffer.from('junk'))), 'x509: malformed certificate'],
        [base64(encodePem('CERTIFICATE', Buffer.alloc(0))), 'found CERTIFICATE PEM block containing 0 certificates'],
        [
          base64(encodePem('CERTIFICATE', Buffer.from('300', 'hex')).replace('-\n', '-\na: b\n')),
          'no PEM block headers are permitted',
        ],
      ] as const
    ).map(
      ([text, problem]): Change => [
        `give ${problem}`,
        'status',
        make({}, {}),
        { certificate: text },
        [`status.certificate: Invalid value: "<certificate data>": ${problem}`],
      ],
    ),
  ];
  for (const [what, part, stored, status, errors] of refused)
    it(`of ${part} may not ${what}`, async () => {
      assert.deepEqual(
        (
          await at(part, stored, (one) => {
            one.status = structuredClone(status);
          })
        ).errors,
        errors,
      );
    });

  it('lets be what is stored and wrong already', async () => {
    const stored = make(
      { signerName: 'kubernetes.io/legacy-unknown', usages: ['odd', 'odd'] },
      { certificate: base64('odd'), conditions: [condition('Approved'), condition('Denied'), condition(''), condition('')] },
    );
    for (const part of ['', 'status', 'approval'] as const)
      assert.deepEqual((await at(part, stored, (one) => void (one.metadata.labels = { a: 'b' }))).errors, []);
  });
});

describe('columns of certificate signing requests', () => {
  const nowMs = Date.parse('2026-01-01T01:00:00Z');
  const cells = (object: CertificateSigningRequest) => strategy.table?.cells(object, nowMs);
  it('tell signer, requestor, duration and state', () => {
    assert.deepEqual(
      strategy.table?.columns.map(({ name }) => name),
      ['Name', 'Age', 'SignerName', 'Requestor', 'RequestedDuration', 'Condition'],
    );
    assert.deepEqual(cells(make()), ['jane', '60m', 'example.com/s', '', '<none>', 'Pending']);
    const issued = make({ username: 'u', expirationSeconds: 3600 * 24 }, { certificate, conditions: [condition('Approved')] });
    assert.deepEqual(cells(issued), ['jane', '60m', 'example.com/s', 'u', '24h', 'Approved,Issued']);
    const both = make({ signerName: '' }, { conditions: [condition('Approved'), condition('Denied'), condition('Failed')] });
    assert.deepEqual(cells(both)?.[5], 'Denied,Failed');
  });
});

it('the request is not read again when it is updated', () => {
  const stored = make({ request: 'AAAA' }, {});
  assert.deepEqual(
    texts(strategy.validateUpdate?.(stored, stored, '') ?? []).filter((text) => text.startsWith('spec')),
    [],
  );
});
