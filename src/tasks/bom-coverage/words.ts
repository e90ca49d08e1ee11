// All words that the rules of docs/bom-coverage.md name, and nothing else. Cases and accents are folded where they are read.

const list = ([words = '']: TemplateStringsArray) => words.split(',').map((word) => word.trim())

/** What a header cell may say for each role, the better word first (rule 4.2). */
export const roleWords = {
  designator: list`designator, designators, designator s, reference designator, reference designators,
    reference designator s, refdes, ref des, reference, references, reference s, refs, ref, ref s, location,
    locations, customer reference, part reference, bezeichner, referencia, referencias, repere, reperes, 位号,
    位號, 元件位号, 标号, 回路記号, 部品記号, リファレンス, обозначение, поз обозначение, позиционное обозначение, метка`,
  quantity: list`quantity per pcb, qty per pcb, quantity per board, qty per board, qty board, quantity board,
    qty pcb, quantity, qty, qnty, bom qty, count, cant, cantidad, menge, anzahl, stk, quantite, qte,
    quantidade, qtd, quantita, ilosc, antal, aantal, pocet, 数量, 用量, 个数, 數量, 個数, 員数, количество, кол во, кол,
    usage, amount, pcs, order qty, order quantity`,
  value: list`value, valeur, wert, valor, valore, wartosc, hodnota, 值, 値, номинал, значение, comment,
    designation, val, name, mpn value, part value, 参数, 规格, 型号, 規格, 型號, 定数, 部品名, наименование`,
  package: list`footprint, package, pcb footprint, case, foot, case package, package case, pattern, gehause,
    package type, package footprint, boitier, encapsulado, obudowa, 封装, 封裝, 封装形式, パッケージ, フットプリント, 外形, корпус,
    типоразмер`,
  mpn: list`mpn, manufacturer part number, manufacturer part, manufacturer pn, manufacturer part no,
    manufacturer p n, manufacture p n, manufacture part number, manufacturer part number 1,
    manufacturer part 1, mpn 1, mfr part number, mfr part no, mfr part, mfr pn, mfr p n, mfg part number,
    mfg part no, mfg pn, mfg p n, mfg part, manf no, manf part, manf part no, mfr no, mfg no, partnumber,
    part number, pn, part no, manufacturer and part number, partno, 制造商料号, 制造商型号, 厂家型号, 厂商型号, 原厂型号, 制造商零件编号,
    料号, メーカー型番, 型番, 部品番号, партномер, артикул`,
  description: list`description, desc, descripcion, beschreibung, descricao, descrizione, opis, popis,
    omschrijving, bezeichnung, libelle, 描述, 说明, 名称, 备注, 說明, 備註, 説明, 備考, описание, примечание`,
  dnpNegative: list`dnp, dnf, dni, dnm, dns, do not populate, do not fit, do not place, do not install,
    do not mount, do not stuff, not fitted, not populated, not mounted, not placed, not installed, nopop,
    no pop, no stuff, nostuff`,
  dnpPositive: list`populate, populated, fitted, fit, on board, mounted, mount, assemble, assembled, assembly,
    assy, stuff, stuffed, install, installed, config`
}

/** What may head the designators where no better word does and the cells look it (rule 4.5). */
export const weakWords = list`part, parts, identifier, id, item, no, component, components, position, pos,
  name, 编号, 編號, 部品番号, 番号, поз, позиция`

/** Above these, `name` and the like are the company's and no value (rule 4.6). */
export const companyWords = list`manufacturer, mfr, mfg, manf, hersteller, fabricante, fabricant, supplier,
  vendor, distributor, lieferant, proveedor, 制造商, 厂家, 供应商, メーカー, производитель, поставщик`
export const companyFields = list`name, part, parts, part number, part no, partnumber, partno, pn, no, id,
  item, designation`

/** Rule 6.1. */
export const placeholders = list`, -, --, ~, n/a, n.a., na, nan, none, null, undefined`

/** Letters that begin common designators, besides one letter alone (rule 4.5). */
export const commonPrefixes = list`IC, DA, DD, VD, VT, LED, FB, FL, SW, TP, TR, JP, CN, CON, RN, RV, RL, BT,
  ZD, MH, MK, XP, XS, U$, E$`

/** Words between two designators (rules 6.3 and 6.5). */
export const listWords = list`and, und, et, y, e, och, og, i, и`
export const rangeWords = list`to, thru, through, bis, a, à, do, до, по`

/** Rule 7.1. */
export const units = list`x, pcs, pc, pieces, piece, stück, stueck, stk, st, off, each, ea, pz, szt, ks, шт,
  个, 個`

/** What a row of sums begins with: as a whole word, or in front of anything (rule 5.6); and its currencies (5.8). */
export const totalWords = list`total, totale, sum, summe, gesamt, suma, somme, razem, итого, всего`
export const totalSigns = list`合計, 合计, 总计, 總計, 小计, 小計`
export const currencies = list`EUR, USD, GBP, CHF, CNY, RMB, JPY, PLN, руб`

/** The parts of DNP words: each line of it one way to say it (rule 9.4). */
export const dnp = {
  short: list`dnp, dnf, dni, dnm, dns`,
  doNot: list`populate, fit, place, install, mount, stuff, assemble`,
  not: list`populated, fitted, placed, installed, mounted, stuffed, assembled`,
  no: list`pop, stuff, mount, fit`,
  phrases: list`nicht bestückt, nicht bestückten, nicht bestueckt, nicht bestueckten, ne pas monter,
    no montar, не устанавливать, не ставить, не монтировать`,
  signs: list`不贴, 不焊, 不装, 空贴, 未実装, 実装しない`
}
/** What may stand beside a DNP word in a heading (rule 9.7). */
export const headingWords = list`part, parts, component, components, item, items, list, the, these, following`

/** What the cell of a marker column may hold (rules 9.2 and 9.3). */
export const markers = {
  absent: list`nc, nf, np, nm, n/c, n/f, n/p, n/m`,
  yes: list`yes, y, x, xx, 1, true, t, on, ✓, ✔, ☑, √, ja, j, si, sí, oui, да, 是, はい`,
  no: list`0, no, n, false, f, off, nein, non, нет, 否, いいえ`,
  placed: list`fitted, fit, populate, populated, place, placed, mount, mounted, install, installed, assemble,
    assembled, stuff, stuffed, load, loaded`,
  /** Positive columns that also hold `SMT` or `Top`, so that such a cell does not warn. */
  mild: list`config, mount, mounted, assembly, assy`
}

/** Chip sizes in inches, each with its size in millimetres (rule 12.2), and the words written around them. */
export const chip = {
  sizes: list`01005=0402, 0201=0603, 0402=1005, 0603=1608, 0612=1632, 0805=2012, 1008=2520, 1206=3216,
    1210=3225, 1218=3246, 1806=4516, 1808=4520, 1812=4532, 1825=4564, 2010=5025, 2220=5750, 2225=5664,
    2512=6332`,
  kinds: list`resistor, res, r, capacitor, capp, cap, c, inductor, ind, l, chip-led, chipled, led, diode, dio,
    d, fuse, f, fb, bead, rv, ptc, m`,
  mounts: list`smd, smt, chip`,
  tails: list`res, cap, ind, led, smd, smt, chip, pol, round, rnd, rd, case`,
  ipcKinds: list`res, cap, ind, led, dio, fus, fer, bea`,
  /** Parts whose size may stand in their value or description, and the units that make a number no size (rule 12.4). */
  sizedPrefixes: list`R, C, L, D, F, FB, LED, RN`,
  plainUnits: list`%, mm, nm, pcs`,
  scaledUnits: list`ohms, ohm, r, v, w, a, f, h, ω, hz`
}
