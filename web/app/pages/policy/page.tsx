/** Who may do what, as the gateway has it in force; and why it would let somebody in, or not. Nothing is changed here. */
import { useState } from 'preact/hooks'
import type { Explanation, ExplainWish, PolicyView } from '../../../../src/api/schema.ts'
import { post, useResource } from '../../api.ts'
import { Copy } from '../../parts/copy.tsx'
import { Line, Lines } from '../../parts/hidden.tsx'
import { Shown } from '../../parts/states.tsx'
import { Table } from '../../parts/table.tsx'
import { Problem } from '../../parts/problem.tsx'
import './policy.css'

export function Page() {
  const policy = useResource<PolicyView>('/policy')
  return (
    <>
      <div class="page-head">
        <h1>Policies</h1>
        {policy.state === 'ready' ? (
          <span class="quiet">
            version <code>{policy.data.version}</code>
          </span>
        ) : null}
      </div>
      <Shown resource={policy} what="Fetching the policy">
        {data => (
          <div class="policy">
            <Explain policy={data} />
            <Roles policy={data} />
            <Targets policy={data} />
            <Text policy={data} />
          </div>
        )}
      </Shown>
    </>
  )
}

function Explain({ policy }: { policy: PolicyView }) {
  const [wish, setWish] = useState({ principal: '', groups: '', target: '', login: '' })
  const [answer, setAnswer] = useState<Explanation>()
  const [problem, setProblem] = useState('')
  const change = (name: keyof typeof wish) => (event: { readonly currentTarget: HTMLInputElement }) => {
    setWish({ ...wish, [name]: event.currentTarget.value })
    setAnswer(undefined)
  }
  const ask = async (): Promise<void> => {
    setProblem('')
    const { principal, groups, target, login } = wish
    const body: ExplainWish = {
      principal: principal.trim(),
      groups: groups.split(/[\s,]+/).filter(group => group !== ''),
      target: target.trim(),
      login: login.trim(),
    }
    try {
      setAnswer(await post<Explanation>('/policy/explain', body))
    } catch (thrown) {
      setProblem((thrown as Error).message)
    }
  }
  return (
    <section class="card" aria-labelledby="explain-head">
      <h2 id="explain-head">Would it let them in?</h2>
      <form
        class="explain"
        onSubmit={event => {
          event.preventDefault()
          void ask()
        }}
      >
        <label class="field">
          Person (e-mail)
          <input
            required
            type="text"
            autocomplete="off"
            spellcheck={false}
            value={wish.principal}
            onInput={change('principal')}
          />
        </label>
        <label class="field">
          Groups, with commas
          <input
            type="text"
            autocomplete="off"
            spellcheck={false}
            value={wish.groups}
            onInput={change('groups')}
          />
        </label>
        <label class="field">
          Target
          <input
            required
            type="text"
            list="policy-targets"
            autocomplete="off"
            spellcheck={false}
            value={wish.target}
            onInput={change('target')}
          />
        </label>
        <label class="field">
          Login
          <input
            type="text"
            autocomplete="off"
            spellcheck={false}
            value={wish.login}
            onInput={change('login')}
          />
        </label>
        <datalist id="policy-targets">
          {policy.targets.map(({ name }) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <button type="submit" class="button first">
          Explain
        </button>
      </form>
      <Problem text={problem} class="note bad" />
      <div role="status">
        {answer === undefined ? null : (
          <div class={`note ${answer.allowed ? 'good' : 'warn'}`}>
            <p>
              <strong>{answer.allowed ? 'Allowed' : 'Refused'}</strong>, as things stand now.
            </p>
            <pre>
              <Lines text={answer.text} />
            </pre>
          </div>
        )}
      </div>
    </section>
  )
}

function Roles({ policy: { roles } }: { policy: PolicyView }) {
  return (
    <section aria-labelledby="roles-head">
      <h2 id="roles-head">Roles</h2>
      <Table
        label="Roles: who has them, what they allow and what they review"
        rows={roles}
        rowKey={({ name }) => name}
        columns={[
          { key: 'name', head: 'Role', cell: ({ name }) => <Line text={name} /> },
          { key: 'members', head: 'Members', cell: ({ members }) => <Line text={members} /> },
          { key: 'allows', head: 'Allows', cell: ({ allows }) => <All lines={allows} /> },
          { key: 'reviews', head: 'Reviews', cell: ({ reviews }) => <All lines={reviews} /> },
        ]}
      />
    </section>
  )
}

function All({ lines }: { lines: readonly string[] }) {
  if (lines.length === 0) return <span class="quiet">nothing</span>
  return (
    <ul class="rules">
      {lines.map((line, index) => (
        <li key={index}>
          <Line text={line} />
        </li>
      ))}
    </ul>
  )
}

function Targets({ policy: { targets } }: { policy: PolicyView }) {
  return (
    <section aria-labelledby="targets-head">
      <h2 id="targets-head">Targets</h2>
      <Table
        label="Targets that the gateway fronts"
        rows={targets}
        rowKey={({ name }) => name}
        columns={[
          { key: 'name', head: 'Target', cell: ({ name }) => <Line text={name} /> },
          {
            key: 'protocol',
            head: 'Protocol',
            cell: ({ protocol }) => (protocol === 'ssh' ? 'SSH' : 'PostgreSQL'),
          },
          {
            key: 'labels',
            head: 'Labels',
            cell: ({ labels }) => (
              <Line
                text={Object.entries(labels)
                  .map(([name, value]) => `${name}: ${value}`)
                  .join(', ')}
              />
            ),
          },
        ]}
      />
    </section>
  )
}

function Text({ policy: { text } }: { policy: PolicyView }) {
  return (
    <details class="card">
      <summary>The policy as it is written</summary>
      <p class="row-of">
        <Copy text={text} label="Copy" name="the policy" />
        <span class="quiet">Changes are made in the configuration, and reloaded: all of them or none.</span>
      </p>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls */}
      <pre class="policy-text" tabIndex={0} aria-label="The policy">
        <Lines text={text} />
      </pre>
    </details>
  )
}
