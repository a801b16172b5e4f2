import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FlowControlSubject, FlowSchema, FlowSchemaSpec, PolicyRulesWithSubjects } from '#api/types.generated.ts';
import { row, metadata as shownMetadata } from '../../columns.testing.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { mandatoryFlowSchemas, suggestedFlowSchemas } from '../default-objects.ts';
import { flowSchemaColumns } from './columns.ts';
import { byPrecedence } from './precedence.ts';
import { flowSchemaKind } from './strategy.ts';

const { strategy } = flowSchemaKind;
const flowSchema = (spec: Partial<FlowSchemaSpec> = {}, name = 'mine'): FlowSchema => ({
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
  kind: 'FlowSchema',
  metadata: systemMeta(name),
  spec: { priorityLevelConfiguration: { name: 'global-default' }, ...spec },
});
const jane: FlowControlSubject = { kind: 'User', user: { name: 'jane' } };
const anyPath = { verbs: ['*'], nonResourceURLs: ['*'] };
const resource = { verbs: ['get'], apiGroups: [''], resources: ['pods'], namespaces: ['*'] };
const rules = (...all: Partial<PolicyRulesWithSubjects>[]): Partial<FlowSchemaSpec> => ({
  rules: all.map((one) => ({ subjects: [jane], ...one })),
});

describe('FlowSchemas', () => {
  it('have precedence 1000, begin without a status, and count changes of the spec', async () => {
    const { object, errors } = await create(strategy, { ...flowSchema(), status: { conditions: [{ type: 'Dangling' }] } });
    assert.deepEqual([errors, object.spec.matchingPrecedence, object.status, object.metadata.generation], [[], 1000, {}, 1]);
    const { object: changed } = await update(strategy, object, ({ spec }) => {
      spec.matchingPrecedence = 7;
    });
    assert.equal(changed.metadata.generation, 2);
  });

  for (const [name, spec] of Object.entries({ ...mandatoryFlowSchemas, ...suggestedFlowSchemas }))
    it(`that are upstream's ${name} are valid`, async () => {
      await rejects(strategy, flowSchema(structuredClone(spec), name));
    });

  const [at, r, n] = ['spec.rules[0]', 'spec.rules[0].resourceRules[0]', 'spec.rules[0].nonResourceRules[0]'];
  const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
  const supported = verbs.map((verb) => `"${verb}"`).join(', ');
  const subject = (one: FlowControlSubject): Partial<FlowSchemaSpec> => rules({ subjects: [one], nonResourceRules: [anyPath] });
  const refused: [what: string, spec: Partial<FlowSchemaSpec>, errors: string[]][] = [
    [
      'no priority level',
      { priorityLevelConfiguration: { name: '' } },
      ['spec.priorityLevelConfiguration.name: Required value: must reference a priority level'],
    ],
    [
      'a precedence below one',
      { matchingPrecedence: -1 },
      ['spec.matchingPrecedence: Invalid value: -1: must be a positive value'],
    ],
    [
      'a precedence above ten thousand',
      { matchingPrecedence: 10_001 },
      ['spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000'],
    ],
    [
      'the first precedence',
      { matchingPrecedence: 1 },
      ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"],
    ],
    [
      'a strange distinguisher',
      { distinguisherMethod: { type: 'ByColor' } },
      ['spec.distinguisherMethod.type: Unsupported value: {"Type":"ByColor"}: supported values: "ByNamespace", "ByUser"'],
    ],
    [
      'rules without anything',
      rules({ subjects: [] }),
      [
        `${at}.subjects: Required value: subjects must contain at least one value`,
        `${at}: Required value: at least one of resourceRules and nonResourceRules has to be non-empty`,
      ],
    ],
    [
      'a subject of another kind',
      subject({ kind: 'Robot' }),
      [`${at}.subjects[0].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"`],
    ],
    [
      'a subject that is two',
      subject({ kind: 'User', group: { name: 'dev' } }),
      [
        `${at}.subjects[0].user: Required value: user is required when subject kind is 'User'`,
        `${at}.subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'`,
      ],
    ],
    [
      'a service account without names',
      subject({ kind: 'ServiceAccount', serviceAccount: { name: '', namespace: '' } }),
      [
        `${at}.subjects[0].serviceAccount.name: Required value`,
        `${at}.subjects[0].serviceAccount.namespace: Required value: must specify namespace for service account`,
      ],
    ],
    ['a group without name', subject({ kind: 'Group', group: { name: '' } }), [`${at}.subjects[0].group.name: Required value`]],
    [
      'an empty resource rule',
      rules({ resourceRules: [{ verbs: [], apiGroups: [], resources: [] }] }),
      [
        `${r}.verbs: Required value: verbs must contain at least one value`,
        `${r}.apiGroups: Required value: resource rules must supply at least one api group`,
        `${r}.resources: Required value: resource rules must supply at least one resource`,
        `${r}.namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace`,
      ],
    ],
    [
      'a star beside others',
      rules({
        resourceRules: [{ verbs: ['*', 'get'], apiGroups: ['*', 'apps'], resources: ['pods', '*'], namespaces: ['*', 'ns'] }],
      }),
      [
        `${r}.verbs: Invalid value: ["*","get"]: if '*' is present, must not specify other verbs`,
        `${r}.apiGroups: Invalid value: ["*","apps"]: if '*' is present, must not specify other api groups`,
        `${r}.resources: Invalid value: ["pods","*"]: if '*' is present, must not specify other resources`,
        `${r}.namespaces: Invalid value: ["*","ns"]: if '*' is present, must not specify other namespaces`,
      ],
    ],
    [
      'an unknown verb',
      rules({ resourceRules: [{ ...resource, verbs: ['eat'] }] }),
      [`${r}.verbs: Unsupported value: ["eat"]: supported values: ${supported}`],
    ],
    [
      'odd paths',
      rules({ nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['', 'a', '/a b', '/a//b', '/a*', '/*/a', '/ok/*', '/'] }] }),
      [
        `${n}.nonResourceURLs[0]: Invalid value: "": must not be empty`,
        `${n}.nonResourceURLs[1]: Invalid value: "a": must start with slash`,
        `${n}.nonResourceURLs[2]: Invalid value: "/a b": must not contain white-space`,
        `${n}.nonResourceURLs[3]: Invalid value: "/a//b": must not contain double slash`,
        `${n}.nonResourceURLs[4]: Invalid value: "/a*": wildcard can only do suffix matching`,
        `${n}.nonResourceURLs[5]: Invalid value: "/*/a": wildcard can only do suffix matching`,
      ],
    ],
  ];
  for (const [what, spec, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, flowSchema(spec), ...errors);
    });

  it('that are mandatory keep their spec', async () => {
    const spec = structuredClone(mandatoryFlowSchemas['catch-all'] as FlowSchemaSpec);
    const { errors } = await update(strategy, flowSchema(spec, 'catch-all'), (one) => {
      one.spec.matchingPrecedence = 9000;
    });
    assert.equal(errors.length, 1);
    assert.match(
      errors[0] ?? '',
      /^spec: Invalid value: \{"PriorityLevelConfiguration":\{"Name":"catch-all"\},"MatchingPrecedence":9000,"DistinguisherMethod":\{"Type":"ByUser"\},"Rules":\[.*"APIGroups":\["\*"\].*\]\}: spec of 'catch-all' must equal the fixed value$/,
    );
  });

  it('have each condition once', async () => {
    const { errors, object } = await update(
      strategy,
      flowSchema(),
      (one) => {
        one.status = { conditions: [{ type: 'A' }, { type: 'A' }, {}] };
        one.metadata.labels = { a: 'b' };
      },
      'status',
    );
    assert.deepEqual(errors, ['status.conditions[1].type: Duplicate value: "A"', 'status.conditions[2].type: Required value']);
    assert.equal(object.metadata.labels, undefined);
  });

  it('are shown in the order in which they are asked', () => {
    const object = { ...flowSchema({ matchingPrecedence: 5, distinguisherMethod: { type: 'ByUser' } }), metadata: shownMetadata };
    const expected = {
      Name: 'x',
      PriorityLevel: 'global-default',
      MatchingPrecedence: 5,
      DistinguisherMethod: 'ByUser',
      Age: '5m',
      MissingPL: '?',
    };
    assert.deepEqual(row(flowSchemaColumns, object), expected);
    const dangling = { ...object, status: { conditions: [{ type: 'Dangling', status: 'True' }] } };
    assert.equal(row(flowSchemaColumns, dangling)['MissingPL'], 'True');
    const named = [
      flowSchema({ matchingPrecedence: 9 }, 'a'),
      flowSchema({ matchingPrecedence: 7 }, 'c'),
      flowSchema({ matchingPrecedence: 7 }, 'b'),
    ];
    assert.deepEqual(
      named.sort(byPrecedence).map(({ metadata }) => metadata.name),
      ['b', 'c', 'a'],
    );
  });
});
