# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Search of coded records by what staff type, the likeliest first.

Each record keeps its words in one column, `search_text`, made for `LIKE`:
lower case, without accents, a blank between words, a bar between phrases and
a tilde before the words that are only likely (translations of the title's
words). Words typed in any order must all occur in it; how they occur gives
the rank. A trigram index serves all of that; without one it only takes
longer.
"""

import logging
import re
import unicodedata
from collections import Counter
from functools import reduce
from operator import and_

from sql import Literal
from sql.aggregate import Count, Max
from sql.conditionals import Case, Coalesce
from sql.functions import CharLength
from trytond import backend
from trytond.cache import Cache
from trytond.model import Index, fields
from trytond.pool import Pool
from trytond.tools import is_full_text, strip_wildcard
from trytond.transaction import Transaction, inactive_records

logger = logging.getLogger(__name__)

NEGATIONS = {
    '!=': '=', 'not in': 'in', 'not like': 'like', 'not ilike': 'ilike'}
DECIMAL_COMMA = re.compile(r'(?<=\d),(?=\d)')
SEPARATOR = re.compile(r'[^a-z0-9.]+|(?<!\d)\.|\.(?!\d)')
DOTTED_CODE = re.compile(r'\b([a-z]?\d\d)\.(\d+)\b')
# Words that say nothing, in Indonesian and English
STOP_WORDS = {
    'a', 'an', 'and', 'atau', 'dan', 'di', 'of', 'or', 'pada', 'the', 'yang'}
# From this length on a word is found inside other words, too
INSIDE = 3
# Up to this length a word alone starts a word, if shorter a phrase: too many
# records have it otherwise.
ABBREVIATION = 3
# PostgreSQL's limit of an index row, for want of trigrams, is 2704 bytes.
MAX_SEARCH_TEXT = 2500
SEARCHED = 'clinic.searched_text'
FAVOURITES = 30
# The records that are looked at for favourites
RECENT = 1000


def normalised(text):
    """Return the words of the text with a blank between them.

    Lower case, without accents and punctuation; a decimal comma becomes a
    point.
    """
    text = unicodedata.normalize('NFKD', text or '')
    text = ''.join(c for c in text if not unicodedata.combining(c)).lower()
    text = DECIMAL_COMMA.sub('.', text)
    return ' '.join(SEPARATOR.sub(' ', text).split())


def without_dots(text):
    "Return the normalised text with its codes without their dot."
    return DOTTED_CODE.sub(r'\1\2', text)


def search_text(phrases, likely=()):
    """Return the text to search in, of phrases and of words that are likely.

    `phrases` come in order of importance; what does not fit is left out.
    """
    unique = dict.fromkeys(filter(None, phrases))
    text = ' | '.join(['', *unique, '']).strip()
    text = ' '.join([text, *(f'~{word}' for word in likely)])
    return text[:MAX_SEARCH_TEXT - 1].strip() + ' '


def rec_name_text(domain):
    """Return the text that the domain looks for in the record name, or None.

    It is taken from a clause that the client makes of what somebody types:
    `ilike` with nothing but a wildcard at both ends, and not within an OR.
    """
    if not domain:
        return None
    if isinstance(domain, tuple) or isinstance(domain[0], str):
        if domain[0] == 'rec_name' and len(domain) == 3:
            _, operator, operand = domain
            if operator == 'ilike' and is_full_text(operand):
                return strip_wildcard(operand)
            return None
        if domain[0] != 'AND':
            return None
        domain = domain[1:]
    return next(filter(None, map(rec_name_text, domain)), None)


class SearchMixin:
    "A model that is found by words, ranked by how they match and by use."
    __slots__ = ()

    # The fields that `search_phrases` and `search_words` read
    _searched_fields = {'code', 'name'}
    # The field that is a code: text starting with it comes first
    _code_field = 'code'
    # Model and field that refer to the records, to count what is in use
    _recorded_in = None
    # A text that only common records have, and a flag of those to come last
    _common_field = None
    _last_field = None
    _favourites_cache = Cache(
        'clinic.search.favourites', duration=3600, context=False)

    search_text = fields.Char(
        "Search Text", required=True, readonly=True, strip=False,
        help="The words by which the record is found.")
    relevance = fields.Function(
        fields.Integer("Relevance"), 'get_relevance')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.search_text.search_unaccented = False
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(t, (t.search_text, Index.Similarity(cardinality='high'))))

    @classmethod
    def __register__(cls, module_name):
        super().__register__(module_name)
        if backend.name == 'postgresql' and not \
                Transaction().database.has_extension('pg_trgm'):
            logger.warning(
                "The search of %s has no index: let the owner of the "
                "database run CREATE EXTENSION pg_trgm, then update the "
                "module clinic_rme", cls.__name__)

    @staticmethod
    def normalised(text):
        "Return the text as it is stored and looked for."
        return normalised(text)

    @classmethod
    def search_phrases(cls, values):
        """Return the normalised phrases of the record, the code first.

        `values` (here and below) is a dictionary with `_searched_fields`.
        """
        return [
            cls.normalised(values.get(name))
            for name in [cls._code_field, 'name']]

    @classmethod
    def search_words(cls, values):
        "Return words by which the record may be meant, none by default."
        return []

    @classmethod
    def search_text_of(cls, values):
        "Return the search text for a dictionary with `_searched_fields`."
        return search_text(
            cls.search_phrases(values), cls.search_words(values))

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values['search_text'] = cls.search_text_of(values)
        return values

    def compute_fields(self, field_names=None):
        values = super().compute_fields(field_names=field_names)
        if (field_names is None
                or field_names & (self._searched_fields | {'search_text'})):
            text = self.search_text_of({
                    n: getattr(self, n) for n in self._searched_fields})
            if text != self.search_text:
                values['search_text'] = text
        return values

    @classmethod
    def query_words(cls, text):
        "Return the list of words that a record must have for the text."
        words = cls.normalised(text).split()
        return [w for w in words if w not in STOP_WORDS] or words

    @classmethod
    def search_rec_name(cls, name, clause):
        """Find by words in any order, parts of a word included.

        A word of one or two letters, or with a digit, is the start of a
        word; a single one of up to three letters, too. Text with a wildcard
        inside, and operators other than like, compare as usual with the
        code, the name or the whole record name.
        """
        operator, operand = clause[1:3]
        if operator in NEGATIONS:
            positive = cls.search_rec_name(
                name, (name, NEGATIONS[operator], operand))
            with inactive_records():
                found = cls.search(positive, order=[], query=True)
            return [('id', 'not in', found)]
        if operator.endswith('like') and operand:
            return cls._words_domain(operator, operand)
        values = operand if operator == 'in' else [operand]
        return ['OR',
            (cls._code_field, operator, operand),
            ('name', operator, operand),
            *(cls._rec_name_domain(v) for v in values if v),
            ]

    @classmethod
    def _words_domain(cls, operator, operand):
        if not is_full_text(operand):
            return ['OR',
                (cls._code_field, 'like', operand.upper()),
                ('name', operator, operand),
                ]
        text = strip_wildcard(operand)
        words = cls.query_words(text)
        if not words and text.strip():
            return [('id', '<', 0)]
        if len(words) == 1 and len(words[0]) <= ABBREVIATION:
            start = ' ' if len(words[0]) == ABBREVIATION else '| '
            return [('search_text', 'like', f'%{start}{words[0]}%')]
        return [
            ('search_text', 'like', f'%{_part(word)}%') for word in words]

    @classmethod
    def _rec_name_domain(cls, rec_name):
        code, _, name = rec_name.partition(' ')
        return [(cls._code_field, '=', code), ('name', '=', name)]

    @classmethod
    def search(
            cls, domain, offset=0, limit=None, order=None, count=False,
            query=False):
        """Search; what somebody types gives the order where none is asked.

        First what is typed in full (the code, then a phrase), then what the
        user and the branch record most, then the start of a code, of a
        phrase, of words and the rest; common ones and short names before the others.
        """
        text = None if order is not None or count else rec_name_text(domain)
        if not (text and cls.query_words(text)):
            return super().search(
                domain, offset=offset, limit=limit, order=order,
                count=count, query=query)
        with Transaction().set_context({SEARCHED: text}):
            found = super().search(
                domain, offset=offset, limit=limit,
                order=[('relevance', None)], query=query)
        return found if query else cls.browse([r.id for r in found])

    def get_relevance(self, name):
        return None

    @classmethod
    def order_relevance(cls, tables):
        "Return the expressions that order by the text of the context."
        table, _ = tables[None]
        text = Transaction().context.get(SEARCHED, '')
        if not cls.query_words(text):
            return [table.id]
        favourites = cls.favourites()
        later = []
        if cls._last_field:
            column = getattr(table, cls._last_field)
            later.append(Coalesce(column, Literal(False)))
        if cls._common_field:
            column = getattr(table, cls._common_field)
            later.append(Coalesce(column, '') == '')
        return [
            cls._match(table, text, favourites),
            _position(table, favourites),
            *later,
            CharLength(table.name),
            getattr(table, cls._code_field),
            table.id,
            ]

    @classmethod
    def _match(cls, table, text, favourites):
        "Return the expression of the class of the match, the best is 0."
        phrase = cls.normalised(text)
        column = table.search_text
        favourite = (
            [(table.id.in_(favourites), Literal(2))] if favourites else [])
        of_phrase = Case(
            (column.like(f'| {phrase} |%'), 0),
            (column.like(f'%| {phrase} |%'), 1),
            *favourite,
            (column.like(f'| {phrase}%'), 3),
            else_=4)
        words = [column.like(f'% {w}%') for w in cls.query_words(text)]
        return Case(
            (column.like(f'%| {phrase}%'), of_phrase),
            *favourite,
            (reduce(and_, words), 5),
            else_=6)

    @classmethod
    def favourites(cls):
        """Return the ids of what is recorded most, at most FAVOURITES.

        What the user recorded comes before what the user's branch did. It
        is counted anew once an hour, and never written down.
        """
        if not cls._recorded_in:
            return []
        transaction = Transaction()
        company = transaction.context.get('company')
        key = (cls.__name__, transaction.user, company)
        favourites = cls._favourites_cache.get(key)
        if favourites is None:
            favourites = list(dict.fromkeys(
                    cls._recorded_by(transaction.user)
                    + cls._recorded_at(company)))[:FAVOURITES]
            cls._favourites_cache.set(key, favourites)
        return favourites

    @classmethod
    def _recorded_by(cls, user):
        "Return the ids that the user recorded lately, the most used first."
        model, name = cls._recorded_in
        table = Pool().get(model).__table__()
        return cls._by_use(table.select(
                getattr(table, name).as_('code'), table.id,
                where=table.create_uid == user,
                order_by=[table.id.desc], limit=RECENT))

    @classmethod
    def _recorded_at(cls, company):
        "Return the ids of the branch's last visits, the most used first."
        if company is None:
            return []
        model, name = cls._recorded_in
        table = Pool().get(model).__table__()
        visit = Pool().get('clinic.encounter').__table__()
        visits = visit.select(
            visit.id, where=visit.company == company,
            order_by=[visit.arrived_at.desc], limit=RECENT)
        return cls._by_use(
            table.join(visits, condition=table.encounter == visits.id)
            .select(getattr(table, name).as_('code'), table.id))

    @staticmethod
    def _by_use(recorded):
        cursor = Transaction().connection.cursor()
        cursor.execute(*recorded.select(
                recorded.code, Count(recorded.id), Max(recorded.id),
                where=recorded.code != None,  # noqa: E711
                group_by=recorded.code))
        used = Counter({
                code: (count, latest) for code, count, latest in cursor})
        return [code for code, _ in used.most_common(FAVOURITES)]


def _part(word):
    "Return the pattern of the word: inside of words, or their start."
    if len(word) < INSIDE or any(map(str.isdigit, word)):
        return f' {word}'
    return word


def _position(table, favourites):
    "Return the place of the record among the favourites."
    if not favourites:
        return Literal(0)
    return Case(
        *((table.id == id_, place) for place, id_ in enumerate(favourites)),
        else_=len(favourites))
