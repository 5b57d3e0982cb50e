# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The titles and words of the patient lists that clinics bring with them.

Titles as spreadsheets have them, and those of the table `pasien` of SIMRS
Khanza and mLITE; words as stand in the columns there.  All in the form of
`search.normalised`.
"""

TITLES = {
    'medical_record_number': [
        'no rkm medis', 'no rm', 'norm', 'nomor rm', 'no rekam medis',
        'nomor rekam medis', 'medical record number', 'mrn'],
    'name': [
        'nm pasien', 'nama', 'nama pasien', 'nama lengkap', 'name'],
    'nik': ['no ktp', 'nik', 'ktp', 'no nik', 'nomor ktp', 'nomor nik'],
    'birth_place': ['tmp lahir', 'tempat lahir', 'birth place'],
    'birth_date': [
        'tgl lahir', 'tanggal lahir', 'birth date', 'date of birth'],
    'sex': ['jk', 'jenis kelamin', 'kelamin', 'l p', 'sex', 'gender'],
    'street': ['alamat', 'alamat lengkap', 'alamat pasien', 'address'],
    'rt': ['rt'],
    'rw': ['rw'],
    'region_code': [
        'kode wilayah', 'kode kelurahan', 'kode desa', 'region code'],
    'phone': [
        'no tlp', 'no telp', 'no telepon', 'telepon', 'telp', 'no hp', 'hp',
        'nomor telepon', 'phone'],
    'email': ['email', 'e mail', 'surel'],
    'religion': ['agama', 'religion'],
    'education': ['pnd', 'pendidikan', 'pendidikan terakhir', 'education'],
    'occupation': ['pekerjaan', 'occupation'],
    'marital_status': [
        'stts nikah', 'status nikah', 'status perkawinan',
        'status pernikahan', 'marital status'],
    'blood_type': [
        'gol darah', 'golongan darah', 'goldar', 'gol dar', 'blood type'],
    'ethnicity': ['suku bangsa', 'suku', 'ethnicity'],
    'spoken_languages': ['bahasa pasien', 'bahasa', 'languages'],
    'mother_name': ['nm ibu', 'nama ibu', 'nama ibu kandung', 'mother name'],
    'payer': [
        'kd pj', 'png jawab', 'cara bayar', 'penjamin', 'penanggung',
        'jenis bayar', 'payer'],
    'payer_number': [
        'no peserta', 'no bpjs', 'nomor bpjs', 'no kartu', 'nomor peserta'],
    'guardian_name': [
        'namakeluarga', 'nama keluarga', 'nama penanggung jawab',
        'penanggung jawab', 'nama pj'],
    'guardian_relationship': [
        'keluarga', 'hubungan', 'hubungan keluarga', 'hubungan pj'],
    'guardian_phone': [
        'no tlp keluarga', 'telepon keluarga', 'telp penanggung jawab',
        'telepon penanggung jawab', 'no telp pj'],
    }
# What stands in a cell that has nothing to say
NOTHING = {
    '', '-', '--', '---', '.', '0', 'null', 'nihil', 'tidak ada',
    '0000-00-00', '00/00/0000', '00-00-0000', '0000000000000000'}


def _words(**words):
    "Return {word: key} of {key: words, separated by a comma}"
    return {
        word.strip(): key for key, text in words.items()
        for word in text.split(',')}


SEXES = _words(
    male='l,lk,laki,laki laki,pria,cowok,m,male,1',
    female='p,pr,perempuan,wanita,w,f,female,2',
    )
RELIGIONS = _words(
    islam='islam,muslim',
    protestant='kristen,protestan,kristen protestan',
    catholic='katolik,katholik,khatolik,kristen katolik',
    hindu='hindu',
    buddhist='budha,buddha',
    confucian='konghucu,khonghucu,kong hu cu,kong hu chu,kong hucu',
    indigenous='kepercayaan,aliran kepercayaan,penghayat,'
    'penghayat kepercayaan',
    other='lain,lain lain,lainnya',
    )
EDUCATIONS = _words(
    none='ts,tidak sekolah,belum sekolah,tidak belum sekolah,tk,paud',
    primary='sd,sd sederajat,mi',
    lower_secondary='smp,sltp,smp sederajat,sltp sederajat,mts',
    upper_secondary='sma,smk,slta,sma sederajat,slta sederajat,ma',
    diploma_1_3='d1,d2,d3,di,dii,diii,d i,d ii,d iii,diploma',
    diploma_4='d4,div,d iv',
    bachelor='s1,sarjana,strata 1,strata i',
    master='s2,magister,strata 2,strata ii',
    doctorate='s3,doktor,strata 3,strata iii',
    )
OCCUPATIONS = _words(
    none='tidak bekerja,belum bekerja,belum tidak bekerja,tdk bekerja',
    civil_servant='pns,asn,pppk,p3k,pegawai negeri,pegawai negeri sipil',
    military_police='tni,polri,tni polri,polisi,tentara',
    state_enterprise='bumn,bumd,karyawan bumn,pegawai bumn,karyawan bumd',
    private='swasta,karyawan swasta,pegawai swasta,karyawan,wiraswasta,'
    'wirausaha,pedagang',
    other='lain,lain lain,lainnya',
    )
MARITAL_STATUSES = _words(
    single='belum menikah,belum kawin,lajang,jomblo,single,belum nikah',
    married='menikah,kawin,nikah,sudah menikah,kawin tercatat,'
    'kawin belum tercatat',
    divorced='cerai,cerai hidup',
    widowed='cerai mati,janda mati,duda mati',
    )
BLOOD_TYPES = _words(A='a', B='b', AB='ab', O='o,0')
RHESUS_FACTORS = {
    '+': 'positive', 'positif': 'positive', 'pos': 'positive',
    '-': 'negative', 'negatif': 'negative', 'neg': 'negative',
    }
PAYERS = _words(
    jkn='jkn,bpjs,bpj,kis,bpjs kesehatan,jkn kis,bpjs pbi,bpjs non pbi',
    self_pay='umum,umu,pribadi,bayar sendiri,tunai,sendiri',
    insurance='asuransi',
    company='perusahaan',
    )
RELATIONSHIPS = _words(
    self='diri sendiri,sendiri,pasien',
    parent='ayah,ibu,bapak,orang tua,orangtua',
    child='anak',
    spouse='istri,suami,isteri',
    relative='saudara,kakak,adik,paman,bibi,kakek,nenek,cucu,keponakan,'
    'kerabat,famili',
    other='lain,lain lain,lainnya',
    )
