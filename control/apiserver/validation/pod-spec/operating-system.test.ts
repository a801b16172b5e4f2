import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PodSpec } from '#api/types.generated.ts';
import { texts } from '../../kinds/strategy.testing.ts';
import { validateHostProcess, validateOs, validateWindowsOptions } from './operating-system.ts';

const spec = (more: Partial<PodSpec>): PodSpec => ({ containers: [{ name: 'c', image: 'c:1' }], ...more });
const windows = { os: { name: 'windows' } };
const forbidden = (field: string): string => `spec.${field}: Forbidden: cannot be set for a windows pod`;

describe('a pod’s operating system', () => {
  const cases: [what: string, spec: PodSpec, errors: string[]][] = [
    ['none', spec({ hostPID: true }), []],
    ['an empty one', spec({ os: { name: '' } }), ['spec.os.name: Required value']],
    [
      'an unknown one',
      spec({ os: { name: 'plan9' } }),
      ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'],
    ],
    [
      'linux with options of Windows',
      spec({
        os: { name: 'linux' },
        containers: [{ name: 'c', image: 'c:1', securityContext: { windowsOptions: {} } }],
        securityContext: { windowsOptions: {} },
      }),
      ['spec', 'spec.containers[0]'].map(
        (at) => `${at}.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod`,
      ),
    ],
    ['windows', spec({ ...windows, hostPID: false, hostIPC: false, securityContext: { sysctls: [], windowsOptions: {} } }), []],
    [
      'windows with what only Linux knows',
      spec({
        ...windows,
        hostUsers: false,
        hostPID: true,
        shareProcessNamespace: false,
        securityContext: { fsGroup: 0, runAsUser: 0, supplementalGroups: [], sysctls: [{ name: 'a', value: 'b' }] },
        initContainers: [{ name: 'i', image: 'i:1', securityContext: { privileged: false } }],
        containers: [{ name: 'c', image: 'c:1', securityContext: { capabilities: {}, runAsGroup: 5 } }],
      }),
      [
        'hostUsers',
        'hostPID',
        'securityContext.fsGroup',
        'securityContext.sysctls',
        'shareProcessNamespace',
        'securityContext.runAsUser',
        'securityContext.supplementalGroups',
        'initContainers[0].securityContext.privileged',
        'containers[0].securityContext.capabilities',
        'containers[0].securityContext.runAsGroup',
      ].map(forbidden),
    ],
  ];
  for (const [what, one, errors] of cases) it(what, () => assert.deepEqual(texts(validateOs(one, 'spec')), errors));
});

describe('hostProcess', () => {
  const container = (hostProcess: boolean | undefined) => ({
    name: 'c',
    image: 'c:1',
    securityContext: { windowsOptions: { hostProcess } },
  });
  const cases: [what: string, spec: PodSpec, errors: string[]][] = [
    ['of nobody', spec({ containers: [container(false)] }), []],
    ['of all', spec({ hostNetwork: true, securityContext: { windowsOptions: { hostProcess: true } } }), []],
    [
      'of one, beside the host’s network',
      spec({ containers: [container(true), container(undefined)] }),
      [
        'spec: Invalid value: "": If pod contains any hostProcess containers then all containers must be HostProcess containers',
        'spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers',
      ],
    ],
    [
      'against that of the pod',
      spec({ hostNetwork: true, securityContext: { windowsOptions: { hostProcess: false } }, containers: [container(true)] }),
      [
        'spec.containers[0].securityContext.windowsOptions.hostProcess: Invalid value: true: pod hostProcess value must be identical if both are specified, was false',
      ],
    ],
  ];
  for (const [what, one, errors] of cases) it(what, () => assert.deepEqual(texts(validateHostProcess(one, 'spec')), errors));
});

describe('users of Windows', () => {
  const cases: [name: string, errors: string[]][] = [
    ['Administrator', []],
    ['NT AUTHORITY\\SYSTEM', []],
    ['corp.example\\me', []],
    ['', [' cannot be an empty string']],
    ['a\nb', [' cannot contain control characters']],
    ['a\\b\\c', [' cannot contain more than one backslash']],
    [`${'ab.'.repeat(85)}c\\b`, ["'s Domain length must be under 256 characters"]],
    ['a/b\\c', ["'s Domain doesn't match the NetBios nor the DNS format"]],
    ['a\\', ["'s User cannot be empty"]],
    ['u'.repeat(105), ["'s User length must not be longer than 104 characters"]],
    [' . ', ["'s User cannot contain only periods or spaces"]],
    ['a@b', [`'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]`]],
  ];
  for (const [runAsUserName, errors] of cases)
    it(JSON.stringify(runAsUserName.slice(0, 40)), () =>
      assert.deepEqual(
        texts(validateWindowsOptions({ runAsUserName }, 'w')),
        errors.map((text) => `w.runAsUserName: Invalid value: ${JSON.stringify(runAsUserName)}: runAsUserName${text}`),
      ),
    );
});
