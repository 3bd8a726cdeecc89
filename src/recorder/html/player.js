'use strict'
// Shows the steps of this page. What they hold is hostile: it is set as text and as colours, never as markup, and leads nowhere.
addEventListener('DOMContentLoaded', () => {
  const read = element => JSON.parse(element.textContent)
  const about = read(document.getElementById('about'))
  const ending = read(document.getElementById('end')).note
  const steps = Array.from(document.querySelectorAll('script.steps'), read)
    .flat()
    .toSorted((a, b) => a[1] - b[1])
  const isSql = about.protocol === 'postgres'
  const endUs = steps.at(-1)?.[1] ?? 0
  // How many of a list are not later than an instant.
  const countUntil = (list, us) => {
    let [low, high] = [0, list.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (list[middle][1] <= us) low = middle + 1
      else high = middle
    }
    return low
  }

  const make = (name, className, text) => {
    const element = document.createElement(name)
    if (className) element.className = className
    if (text !== undefined) element.textContent = text
    return element
  }
  const clock = us => {
    const seconds = Math.floor(us / 1e6)
    const two = value => String(value).padStart(2, '0')
    return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  }

  // Channels, by what they show.
  const screens = new Map()
  for (const step of steps) {
    if (step[0] !== 'screen' && step[0] !== 'change') continue
    if (!screens.has(step[2])) screens.set(step[2], [])
    screens.get(step[2]).push(step)
  }
  const channels = [...screens.keys()]
  let channel = channels[0] ?? 0
  let nowUs = 0
  let isPlaying = false
  let lastTick = 0

  const page = document.getElementById('page')
  const top = make('header')
  top.append(make('h1', '', about.title))
  const facts = make('dl')
  for (const [name, fact] of about.facts)
    if (fact !== '') facts.append(make('dt', '', name), make('dd', '', fact))
  top.append(facts)
  const bar = make('div', 'bar')
  const toggle = make('button', '', 'Play')
  toggle.id = 'toggle'
  const slider = make('input')
  slider.type = 'range'
  slider.id = 'time'
  slider.min = '0'
  slider.max = String(Math.max(1, endUs))
  slider.value = '0'
  slider.setAttribute('aria-label', 'Time')
  const time = make('span', 'said')
  const speed = make('select')
  speed.setAttribute('aria-label', 'Speed')
  for (const factor of [1, 2, 4, 8, 32]) {
    const option = make('option', '', `${factor}×`)
    option.value = String(factor)
    speed.append(option)
  }
  const skip = make('input')
  skip.type = 'checkbox'
  skip.checked = true
  const skipLabel = make('label', 'said')
  skipLabel.append(skip, ' skip pauses')
  bar.append(toggle, slider, time, speed, skipLabel)
  const choose = make('select')
  choose.setAttribute('aria-label', 'Channel')
  for (const number of channels) {
    const option = make('option', '', `channel ${number}`)
    option.value = String(number)
    choose.append(option)
  }
  if (channels.length > 1) bar.append(choose)
  const find = make('input')
  find.placeholder = 'find'
  find.setAttribute('aria-label', 'Find')
  bar.append(find)
  const both = make('div', 'both')
  const screen = make('div', 'screen')
  screen.id = 'screen'
  const marks = make('ol', 'marks')
  marks.id = 'marks'
  both.append(screen, marks)
  page.append(top, bar, both, make('p', 'said', ending))

  // Palette: 16 usual colours, the cube of 216, 24 greys.
  const usual = [
    '#000000',
    '#cd3131',
    '#0dbc79',
    '#e5e510',
    '#2472c8',
    '#bc3fbc',
    '#11a8cd',
    '#e5e5e5',
    '#666666',
    '#f14c4c',
    '#23d18b',
    '#f5f543',
    '#3b8eea',
    '#d670d6',
    '#29b8db',
    '#ffffff',
  ]
  const colour = value => {
    if (value === null || value === undefined) return ''
    if (typeof value === 'string') return /^#[0-9a-f]{6}$/.test(value) ? value : ''
    if (value < 16) return usual[value]
    if (value >= 232)
      return `rgb(${Array(3)
        .fill(8 + 10 * (value - 232))
        .join(',')})`
    const level = step => (step === 0 ? 0 : 55 + 40 * step)
    const cube = value - 16
    return `rgb(${level(Math.floor(cube / 36))},${level(Math.floor(cube / 6) % 6)},${level(cube % 6)})`
  }
  const classes = { b: 'bold', d: 'dim', i: 'italic', u: 'under', s: 'struck', h: 'concealed' }
  const draw = (row, runs) => {
    row.replaceChildren(...runs.flatMap(runElements))
  }
  const runElements = ([text, fg, bg, letters = '']) => {
    const isInverse = letters.includes('v')
    const parts = letters.includes('w') ? Array.from(text) : [text]
    return parts.map(part => {
      const span = make(
        'span',
        letters
          .split('')
          .map(letter => classes[letter] ?? '')
          .join(' ')
          .trim(),
        part,
      )
      if (letters.includes('w')) span.classList.add('wide')
      const [front, back] = isInverse
        ? [colour(bg) || '#000000', colour(fg) || '#e5e5e5']
        : [colour(fg), colour(bg)]
      span.style.color = front
      span.style.backgroundColor = back
      return span
    })
  }

  // Terminals: the screen of a channel at an instant is the last whole one and the changes since.
  let shown = -1
  const showScreen = () => {
    const list = screens.get(channel) ?? []
    const last = countUntil(list, nowUs) - 1
    let whole = last
    while (whole > 0 && list[whole][0] !== 'screen') whole--
    if (last === shown) return
    const from = shown >= whole && shown < last ? shown + 1 : whole
    shown = last
    if (last === -1) return screen.replaceChildren()
    for (let at = from; at <= last; at++) {
      const step = list[at]
      if (step[0] === 'screen') {
        screen.replaceChildren(...step[7].map(() => make('div', 'row')))
        step[7].forEach((runs, row) => draw(screen.children[row], runs))
      }
      if (step[0] === 'change') {
        for (let up = 0; up < step[6] && screen.firstElementChild; up++) {
          screen.append(screen.firstElementChild)
          draw(screen.lastElementChild, [])
        }
        for (const [row, runs] of step[5]) if (screen.children[row]) draw(screen.children[row], runs)
      }
    }
  }

  // Statements: those around the instant.
  const entries = steps.filter(step => step[0] === 'sql')
  const maxEntries = 300
  let shownEntries = ''
  const showEntries = () => {
    const words = find.value.toLowerCase()
    const until = countUntil(entries, nowUs)
    const key = words === '' ? String(until) : words
    if (key === shownEntries) return
    shownEntries = key
    const some =
      words === ''
        ? entries.slice(Math.max(0, until - maxEntries), until)
        : entries.filter(entry => entry[4].toLowerCase().includes(words)).slice(0, maxEntries)
    screen.replaceChildren(...some.map(([, , , kind, text]) => make('div', `entry ${kind}`, text)))
    screen.scrollTop = words === '' ? screen.scrollHeight : 0
  }

  const allMarks = steps.filter(step => step[0] === 'mark' || (isSql && step[3] === 'statement'))
  const maxMarks = 2000
  // Statements begin with their time, which stands beside them here.
  const labelOf = step => (isSql ? step[4].replace(/^\S+\s+/, '') : step[3])
  const listMarks = () => {
    const words = find.value.toLowerCase()
    const some = allMarks
      .filter(step =>
        String(step[isSql ? 4 : 3])
          .toLowerCase()
          .includes(words),
      )
      .slice(0, maxMarks)
    marks.replaceChildren(
      ...some.map(step => {
        const item = make('li')
        item.append(make('time', '', clock(step[1])), labelOf(step).slice(0, 300))
        item.addEventListener('click', () => {
          if (!isSql && channels.includes(step[2])) {
            channel = step[2]
            choose.value = String(channel)
            shown = -1
          }
          go(step[1])
        })
        return item
      }),
    )
  }

  const show = () => {
    slider.value = String(nowUs)
    time.textContent = `${clock(nowUs)} / ${clock(endUs)}`
    toggle.textContent = isPlaying ? 'Pause' : 'Play'
    if (isSql) showEntries()
    else showScreen()
  }
  const go = us => {
    nowUs = Math.max(0, Math.min(endUs, us))
    show()
  }
  const nextUs = () => {
    return steps[countUntil(steps, nowUs)]?.[1] ?? endUs
  }
  const tick = at => {
    if (!isPlaying) return
    const passed = Math.min(at - lastTick, 250) * 1000 * Number(speed.value)
    lastTick = at
    const next = nextUs()
    nowUs = skip.checked && next - nowUs > 2e6 ? next - 1e6 : nowUs + passed
    if (nowUs >= endUs) isPlaying = false
    go(nowUs)
    if (isPlaying) requestAnimationFrame(tick)
  }
  const play = () => {
    isPlaying = !isPlaying
    if (isPlaying && nowUs >= endUs) nowUs = 0
    lastTick = performance.now()
    show()
    if (isPlaying) requestAnimationFrame(tick)
  }
  toggle.addEventListener('click', play)
  slider.addEventListener('input', () => go(Number(slider.value)))
  choose.addEventListener('change', () => {
    channel = Number(choose.value)
    shown = -1
    show()
  })
  find.addEventListener('input', () => {
    listMarks()
    show()
  })
  addEventListener('keydown', event => {
    if (event.target === find) return
    if (event.key === ' ') {
      event.preventDefault()
      play()
    }
    if (event.key === 'ArrowRight') go(nowUs + 5e6)
    if (event.key === 'ArrowLeft') go(nowUs - 5e6)
  })
  listMarks()
  show()
})
